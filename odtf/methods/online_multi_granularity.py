"""Online multi-granularity distillation (OMGD): a small generator learns from a wider and a deeper one beside it.

Ren, Wu, Xiao, Yang, "Online Multi-Granularity Distillation for GAN Compression", ICCV 2021, arXiv 2108.06908; released
code: bytedance/OMGD, which was read. Where it and the paper differ, as in the sum over the taps, the code holds.
"""

import keras

from odtf.losses import fitted_weights
from odtf.methods.base import Method
from odtf.methods.shared.image_imitation import (
    ImageImitation,
    channel_adapters,
    channel_term,
    check_weights,
    find_features,
)
from odtf.methods.shared.pair_discriminator import PairDiscriminator
from odtf.methods.shared.peers import check_answers, peer_seed, several
from odtf.methods.shared.players import Player
from odtf.methods.shared.rates import with_rate

STUDENT, WIDE, DEEP = "peer_0", "wide", "deep"
ONLINE, TEACHERS, IMITATION = 0, 1, 2
_INPUT = "input"
_FITTED_BATCHES = 8
_MEANS = ("style", "feature")


class OnlineMultiGranularity(Method):
    """A student generator that sees neither discriminator nor true picture, and teachers that see both.

    Loss of a teacher k: w_a (-D(x, G_k(x))) + w_r L(G_k(x), y), L being the task's supervised term. Of the
    discriminator, summed over the teachers: [hinge of (x, G_k(x)) + hinge of (x, y)] / 2. Of the student, summed over
    the teachers, with images t = sg[G_k(x)] of the same forward pass:

        10 (1 - SSIM(s, t)) + 1e4 sum over 4 maps of |Gram(s) - Gram(t)| + 10 |relu2_2(s) - relu2_2(t)| + 1e-5 TV(s),

    and, from the wider teacher alone, `channel_weight` times the squared differences of channels' means at the taps
    "channels1" and so on, the student's behind 1x1 adapters; see `odtf.losses`. TV is summed over the batch.

    All generators run once in a step, in training. Student and adapters step every time; discriminator, then wide and
    deep teacher, in every `teachers_every`-th step, counted from 1. All gradients are taken before any of these
    updates: the teachers' through the discriminator as it was, the student's against what they were. Each of the four
    has an optimizer of its own, like that of `compile`, with its rate. The paper's is Adam, 2e-4, beta_1 0.5.

    Ablations: one teacher (the other's network None), no channels (`channel_weight=0`), two stages
    (`teacher_epochs`), `alone`.

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student generator with its named taps.
        wide_network: the same for the wider teacher; or None.
        deep_network: the same for the deeper teacher; or None.
        features: network between whose maps images are compared, see `shared.image_imitation.find_features`: the path
            of torchvision's VGG16, to which the published weights belong, of another network, or a function.
        feature_taps, feature_pixels: its taps and pixels, see `odtf.models.perceptual_features`.
        channel_weight: float; by the released scripts 50 (U-Net, Cityscapes), 10 (U-Net, edges2shoes), 100 or 1000
            (ResNet, edges2shoes), 0 (ResNet, Cityscapes).
        teachers_every: int, n_dis: 3 for Cityscapes, 1 for edges2shoes.
        reconstruction_weight, adversarial_weight: floats, w_r and w_a.
        structure_weight, style_weight, feature_weight, variation_weight: floats, of the student's terms.
        reference_means: dict of "style" and "feature": what `odtf.losses.mean_terms` gives of torchvision's VGG16 on
            images as of these networks at their start. With it, style_weight and feature_weight are what they are for
            that network, and are fitted to the features in use before the first step, see
            `odtf.losses.fitted_weights`: a DESIGN CHOICE, not the paper's.
        discriminator_width: int, channels of its first block: 128, or 96 beside smaller teachers.
        discriminator_norm: "batch" for U-Nets, "instance" for ResNets.
        shared_blocks: int, how many of the discriminator's five blocks both teachers share.
        teacher_epochs: int; above 0 the teachers are trained alone for so many epochs, in every step, and stay as they
            are while the student learns from them in the others. They go on making images by the statistics of the
            batch, as online.
        alone: bool, whether the student is trained as a teacher is, with its own discriminator and without teachers.
        **common: `task`, `seed`, `synchronized`, `name`; see `Method`.

    Raises:
        ValueError: if the networks do not fit each other or the arguments, or one is out of range.
    """

    label = "multi_granularity"
    only = ("translation",)
    distils = False

    def __init__(
        self,
        networks,
        *,
        wide_network=None,
        deep_network=None,
        features=None,
        feature_taps=None,
        feature_pixels=None,
        channel_weight=0.0,
        teachers_every=1,
        reconstruction_weight=100.0,
        adversarial_weight=1.0,
        structure_weight=10.0,
        style_weight=1e4,
        feature_weight=10.0,
        reference_means=None,
        variation_weight=1e-5,
        discriminator_width=128,
        discriminator_norm="batch",
        shared_blocks=5,
        teacher_epochs=0,
        alone=False,
        **common,
    ):
        super().__init__(**common)
        if not getattr(self.task, "paired", True):
            raise ValueError(
                "The method takes images with their pairs: the task's paired=True. Received: paired=False."
            )
        makers = {STUDENT: several(networks, least=1, most=1)[0], WIDE: wide_network, DEEP: deep_network}
        makers = {name: make for name, make in makers.items() if make is not None}
        _check_form(makers, alone, teachers_every, teacher_epochs)
        weights = {"structure": structure_weight, "style": style_weight, "feature": feature_weight}
        weights["variation"] = variation_weight
        own = {"channel": channel_weight, "reconstruction": reconstruction_weight, "adversarial": adversarial_weight}
        check_weights({f"{name}_weight": value for name, value in (weights | own).items()})
        self.own_weights = {name: float(value) for name, value in own.items()}
        self.alone, self.teacher_epochs = bool(alone), int(teacher_epochs)
        # In two stages, a step of the first is the teachers' alone.
        self.teachers_every = 1 if alone or teacher_epochs else int(teachers_every)
        self.peers = {
            # A network starts the same whether or not another is there.
            name: makers[name](seed=peer_seed(self.seed, index), name=name)
            for index, name in enumerate((STUDENT, WIDE, DEEP))
            if name in makers
        }
        check_answers(self.peers, self.task)
        self.phase = self.phase_at(0)
        self.judged = (STUDENT,) if alone else tuple(name for name in self.peers if name != STUDENT)
        options = {"shared": shared_blocks, "width": discriminator_width, "norm": discriminator_norm}
        self._make_discriminator(options)
        self.adapters = {}
        if WIDE in self.peers and channel_weight:
            networks = self.peers[STUDENT], self.peers[WIDE]
            self.adapters = channel_adapters(*networks, peer_seed(self.seed, 4), self.synchronized)
        self.imitation = None
        self.reference_means = _checked_means(reference_means)
        if not alone:
            self._make_imitation(weights, (features, feature_taps, feature_pixels))

    def _make_discriminator(self, options):
        student = self.peers[STUDENT]
        options |= {"seed": peer_seed(self.seed, 3), "synchronized": self.synchronized}
        self.pairs = PairDiscriminator(student.input, student.output[self.task.output], self.judged, **options)
        self.discriminator = self.pairs.network

    def _make_imitation(self, weights, features):
        compared = weights["style"] or weights["feature"]
        if compared and features[0] is None:
            raise ValueError(
                "Images are compared by the maps of a network: features must name one, or style_weight and "
                "feature_weight be 0. Received: features=None."
            )
        found = find_features(*features) if compared else None
        if found is not None and self.reference_means is not None:
            weights |= {name: self._fitted(name, weights[name]) for name in _MEANS}
        self.imitation = ImageImitation(found, **weights)

    def _fitted(self, name, value):
        options = {"initializer": keras.initializers.Constant(value), "trainable": False, "autocast": False}
        return self.add_weight(shape=(), dtype="float32", name=f"{name}_weight", **options)

    def before_training(self, batch):
        if self.reference_means is not None and self.imitation is not None and self.imitation.features is not None:
            self.fit_weights([batch(step)[0] for step in range(_FITTED_BATCHES)])

    def fit_weights(self, batches):
        """Fits the weights of style and features to `reference_means`, with the networks as they are.

        odtf's loop does so before its first step; before a `fit` of Keras it is called by hand.

        Args:
            batches: list of images `[batch, height, width, channels]`.

        Raises:
            ValueError: if a mean is not a positive number.
        """
        statistics = [(v, v.numpy()) for network in self.peers.values() for v in network.non_trainable_variables]
        pairs = []
        for images in batches:
            made = {name: self.answer(network(images, training=True)) for name, network in self.peers.items()}
            pairs += [(made[name], made[STUDENT]) for name in self.judged]
        for variable, value in statistics:
            variable.assign(value)
        weights = self.imitation.weights
        published = {"style": float(weights["style"]), "feature": float(weights["features"])}
        found = fitted_weights(self.imitation.maps_of, self.reference_means, pairs, published)
        weights["style"].assign(found["style"])
        weights["features"].assign(found["feature"])

    # Who learns when ------------------------------------------------------------------------------------------------

    @property
    def students(self):
        return (STUDENT,)

    @classmethod
    def epochs_of(cls, options, networks, epochs):
        first = min(options.get("teacher_epochs", 0), epochs)
        taught = {name: (0, first or epochs) for name in (WIDE, DEEP) if options.get(f"{name}_network") is not None}
        return {**taught, STUDENT: (first, epochs)}

    def phase_at(self, epoch):
        if not self.teacher_epochs:
            return ONLINE
        return TEACHERS if epoch < self.teacher_epochs else IMITATION

    def players(self):
        every = self.teachers_every
        networks = {"discriminator": self.discriminator, **{name: self.peers[name] for name in self.judged}}
        if self.alone:
            del networks[STUDENT]
        return [
            Player(
                name,
                network.trainable_variables,
                optimizer=with_rate(self.optimizer, 1.0, every),
                terms=(f"{name}/",),
                every=every,
            )
            for name, network in networks.items()
        ]

    # The loss -------------------------------------------------------------------------------------------------------

    def call(self, images, training=False):
        image = self.view(images, 0)
        # The student's moving statistics, too, wait for the teachers.
        waits = training and self.phase == TEACHERS
        outputs = {
            name: network(image, training=training)
            for name, network in self.peers.items()
            if not (waits and name == STUDENT)
        }
        return {**outputs, _INPUT: {"images": image}}

    def loss_terms(self, targets, outputs):
        terms = {}
        if self.phase != IMITATION:
            terms |= self._judged_terms(targets, outputs)
        if not self.alone and self.phase != TEACHERS:
            terms |= self._student_terms(outputs)
        return terms

    def _judged_terms(self, targets, outputs):
        """The terms of the discriminator and of the generators that see it, and the true pictures."""
        made = {name: self.answer(outputs[name]) for name in self.judged}
        generators, own = self.pairs.terms(outputs[_INPUT]["images"], self.task.real(targets), made)
        terms = {f"discriminator/{name}": term for name, term in own.items()}
        for name, picture in made.items():
            supervised = self.task.supervised(targets, picture)
            terms[f"{name}/supervised"] = self.own_weights["reconstruction"] * supervised
            terms[f"{name}/adversarial"] = self.own_weights["adversarial"] * generators[name]
        return terms

    def _student_terms(self, outputs):
        """The terms by which the student follows its teachers' pictures, which are constants."""
        taps, replicas = outputs[STUDENT], self.distribute_strategy.num_replicas_in_sync
        picture, terms = self.answer(taps), {}
        maps = self.imitation.maps_of(picture)
        for name in self.judged:
            found = self.imitation.terms(self.answer(outputs[name]), picture, maps, replicas)
            terms |= {f"{STUDENT}/{name}_{kind}": term for kind, term in found.items()}
        if self.adapters:
            channels = channel_term(self.adapters, outputs[WIDE], taps)
            terms[f"{STUDENT}/{WIDE}_channels"] = self.own_weights["channel"] * channels
        return terms


def _checked_means(means):
    """Returns the means of a reference as a dict, or None where there are none.

    Raises:
        ValueError: if they are not those of style and feature.
    """
    if means is None:
        return None
    if set(means) != set(_MEANS):
        raise ValueError(
            f"reference_means has the keys {' and '.join(_MEANS)}. Received: {', '.join(means) or 'none'}."
        )
    return {name: float(means[name]) for name in _MEANS}


def _check_form(makers, alone, teachers_every, teacher_epochs):
    """Raises ValueError unless there are teachers where the student needs them, and the paces are whole numbers."""
    if alone != (len(makers) == 1):
        wanted = "no wide_network and no deep_network" if alone else "a wide_network, a deep_network or both"
        received = ", ".join(name for name in makers if name != STUDENT) or "neither"
        raise ValueError(f"With alone={alone} the method takes {wanted}. Received: {received}.")
    for name, value, least in (("teachers_every", teachers_every, 1), ("teacher_epochs", teacher_epochs, 0)):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}. Received: {value!r}.")
    if alone and teacher_epochs:
        raise ValueError(f"Alone there are no teachers. Received: teacher_epochs={teacher_epochs}.")
