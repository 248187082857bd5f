"""Online multi-granularity distillation (OMGD): a small generator learns from a wider and a deeper one beside it.

Ren, Wu, Xiao, Yang, "Online Multi-Granularity Distillation for GAN Compression", ICCV 2021, arXiv 2108.06908; released
code: bytedance/OMGD, which was read. Where it and the paper differ, as in the sum over the taps, the code holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.methods.base import Method
from odtf.methods.shared.cycle import WIDE, CycleTeaching
from odtf.methods.shared.granularity_form import check_form
from odtf.methods.shared.image_imitation import (
    channel_adapters,
    channel_term,
    check_weights,
    checked_means,
    make_imitation,
)
from odtf.methods.shared.pair_discriminator import PairedTeaching
from odtf.methods.shared.peers import check_answers, peer_seed, several
from odtf.methods.shared.players import Player
from odtf.methods.shared.rates import with_rate
from odtf.methods.shared.stored_teacher import StoredTeacher
from odtf.methods.shared.turns import IMITATION, ONLINE, TEACHERS, StudentsTime, Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Spans, Terms
    from odtf.models.annotations import Network, Networks

STUDENT, DEEP, STORED = "peer_0", "deep", "teacher"
_FITTED_BATCHES = 8


class OnlineMultiGranularity(Method):
    """A student generator that sees neither discriminator nor true picture, and teachers that see both.

    The student learns, summed over its teachers, with their images t = sg[G_k(x)] of the same forward pass,

        10 (1 - SSIM(s, t)) + 1e4 sum over 4 maps of |Gram(s) - Gram(t)| + 10 |relu2_2(s) - relu2_2(t)| + 1e-5 TV(s),

    and, from the wider teacher alone, `channel_weight` times the squared differences of channels' means at the taps
    "channels1" and so on, the student's behind 1x1 adapters; see `odtf.losses`. TV is summed over the batch.

    Pairs (the task's paired=True): a teacher k learns w_a (-D(x, G_k(x))) + w_r L(G_k(x), y), L being the task's
    supervised term; the discriminator, summed over the teachers, [hinge of (x, G_k(x)) + hinge of (x, y)] / 2. All
    generators run once in a step, in training. Student and adapters step every time; discriminator, then wide and
    deep teacher, in every `teachers_every`-th step, counted from 1. All gradients are taken before any of these
    updates: the teachers' through the discriminator as it was, the student's against what they were. Each of the four
    has an optimizer of its own, like that of `compile`, with its rate. The paper's is Adam, 2e-4, beta_1 0.5.

    No pairs: the wider teacher alone, as one generator of a CycleGAN, see `shared.cycle.CycleTeaching`; both generators
    have one optimizer, both discriminators another, the student with its adapters a third. Teacher and student take
    turns, of `turn_epochs` and of `teachers_every` times as many epochs, until the teacher has had `teacher_epochs` and
    the student its turn after them: ceil(T / t) (t n) + T epochs in all. At the end of a turn the teacher is stored if
    it validates better than ever, and the student learns from what was stored. A schedule of learning rates goes by
    the teacher's steps; the student has that of the teacher's last one. The released code judges the teacher also
    every 25,000 steps.

    Ablations: one teacher (the other's network None), no channels (`channel_weight=0`), two stages (`teacher_epochs`
    without `turn_epochs`), `alone`.

    Args:
        networks: callable `network(seed=int, name=str)` that returns the student generator with its named taps.
        wide_network: the same for the wider teacher; or None.
        deep_network: the same for the deeper teacher, of pairs; or None.
        features: network between whose maps images are compared, see `shared.image_imitation.find_features`: the path
            of torchvision's VGG16, to which the published weights belong, of another network, or a function.
        feature_taps, feature_pixels: its taps and pixels, see `odtf.models.perceptual_features`.
        channel_weight: float; by the released scripts 50 (U-Net, Cityscapes), 10 (U-Net, edges2shoes), 100 or 1000
            (ResNet, edges2shoes), 0 (ResNet, Cityscapes), 500 (horse2zebra), 100 (summer2winter).
        teachers_every: int, n_dis: 3 for Cityscapes, 1 for edges2shoes, 4 without pairs.
        reconstruction_weight, adversarial_weight: floats, w_r, of pairs, and w_a.
        cycle_weight, identity_weight: floats, w_c and w_i, without pairs.
        structure_weight, style_weight, feature_weight, variation_weight: floats, of the student's terms.
        reference_means: dict of "style" and "feature": what `odtf.losses.mean_terms` gives of torchvision's VGG16 on
            images as of these networks at their start. With it, style_weight and feature_weight are what they are for
            that network, and are fitted to the features in use before the first step, see
            `odtf.losses.fitted_weights`: a DESIGN CHOICE, not the paper's.
        discriminator_width: int, channels of a discriminator's first block: 128, or 96 beside smaller teachers; 64
            without pairs.
        discriminator_norm: "batch" for U-Nets, "instance" for ResNets and without pairs.
        shared_blocks: int, how many of the discriminator's five blocks both teachers of pairs share.
        teacher_epochs: int. Of pairs, above 0, the teachers are trained alone for so many epochs, in every step, and
            stay as they are while the student learns from them in the others. They go on making images by the
            statistics of the batch, as online. Without pairs, all epochs of the teacher, 1 or more.
        turn_epochs: int, without pairs: epochs of the teacher's turns; None for one turn, two stages.
        best_teacher: without pairs, "either_direction": the teacher is stored when either generator of the cycle is at
            its best, as the released code does; "own_direction": when it is itself.
        pool_size: int, without pairs: images in a pool.
        alone: bool, whether the student is trained as a teacher of pairs is, with its own discriminator and without
            teachers.
        **common: `task`, `seed`, `synchronized`, `name`; see `Method`.

    Raises:
        ValueError: if the networks do not fit each other or the arguments, or one is out of range.
    """

    label = "multi_granularity"
    only = ("translation",)
    distils = False

    def __init__(
        self,
        networks: Networks,
        *,
        wide_network: Any = None,
        deep_network: Network | None = None,
        features: Any = None,
        feature_taps: Any = None,
        feature_pixels: Any = None,
        channel_weight: float = 0.0,
        teachers_every: int = 1,
        reconstruction_weight: float = 100.0,
        adversarial_weight: float = 1.0,
        cycle_weight: float = 10.0,
        identity_weight: float = 5.0,
        structure_weight: float = 10.0,
        style_weight: float = 1e4,
        feature_weight: float = 10.0,
        reference_means: Any = None,
        variation_weight: float = 1e-5,
        discriminator_width: int = 128,
        discriminator_norm: str = "batch",
        shared_blocks: int = 5,
        teacher_epochs: int = 0,
        turn_epochs: int | None = None,
        best_teacher: str = "either_direction",
        pool_size: int = 50,
        alone: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        makers = {STUDENT: several(networks, least=1, most=1)[0], WIDE: wide_network, DEEP: deep_network}
        makers = {name: make for name, make in makers.items() if make is not None}
        paired = getattr(self.task, "paired", True)
        paces = {"teachers_every": teachers_every, "teacher_epochs": teacher_epochs, "turn_epochs": turn_epochs}
        check_form([name for name in makers if name != STUDENT], paired, alone, **paces)
        weights = {"structure": structure_weight, "style": style_weight, "feature": feature_weight}
        weights["variation"] = variation_weight
        own = {"channel": channel_weight, "reconstruction": reconstruction_weight, "adversarial": adversarial_weight}
        own |= {"cycle": cycle_weight, "identity": identity_weight}
        check_weights({f"{name}_weight": value for name, value in (weights | own).items()})
        self.own_weights = {name: float(value) for name, value in own.items()}
        self.alone = bool(alone)
        self.turns = Turns(teacher_epochs, turn_epochs, teachers_every) if teacher_epochs else None
        # A step of the teachers' alone is one of theirs.
        self.teachers_every = 1 if alone or teacher_epochs else int(teachers_every)
        self.peers = {
            # A network starts the same whether or not another is there.
            name: makers[name](seed=peer_seed(self.seed, index), name=name)
            for index, name in enumerate((STUDENT, WIDE, DEEP))
            if name in makers
        }
        check_answers(self.peers, self.task)
        self.phase = self.phase_at(0)
        self.stored: Any = None
        options = {"weights": self.own_weights, "width": discriminator_width, "norm": discriminator_norm}
        if paired:
            judged = (STUDENT,) if alone else tuple(name for name in self.peers if name != STUDENT)
            self._set_teaching(PairedTeaching(self, judged, shared=shared_blocks, **options))
        else:
            self._set_teaching(CycleTeaching(self, wide_network, pool_size=pool_size, **options))
            self.teacher = wide_network(seed=peer_seed(self.seed, 1), name=STORED)
            self.stored = StoredTeacher(self, self.peers[WIDE], self.teacher, self.back, best_teacher)
        self.adapters = {}
        if WIDE in self.peers and channel_weight:
            networks = self.peers[STUDENT], self.peers[WIDE]
            self.adapters = channel_adapters(*networks, peer_seed(self.seed, 4), self.synchronized)
        self.imitation: Any = None
        self.reference_means = checked_means(reference_means)
        if not alone:
            source = features, feature_taps, feature_pixels
            self.imitation = make_imitation(source, weights, None if self.reference_means is None else self)

    def _set_teaching(self, teaching):
        self.teaching = teaching
        for name, network in teaching.networks.items():  # So that they are parts of this model.
            setattr(self, name, network)

    def before_training(self, batch: Callable[[int], tuple[Tensor, Targets]]) -> None:
        if self.reference_means is not None and self.imitation is not None and self.imitation.features is not None:
            self.fit_weights([batch(step)[0] for step in range(_FITTED_BATCHES)])

    def fit_weights(self, batches: Sequence[Tensor]) -> None:
        """Fits the weights of style and features to `reference_means`, with the networks as they are.

        odtf's loop does so before its first step; before a `fit` of Keras it is called by hand.

        Args:
            batches: list of images `[batch, height, width, channels]`.

        Raises:
            ValueError: if a mean is not a positive number.
        """
        teachers = [network for name, network in self.peers.items() if name != STUDENT]
        self.imitation.fit(self.reference_means, self.peers[STUDENT], teachers, self.answer, batches)

    # Who learns when ------------------------------------------------------------------------------------------------

    @property
    def students(self) -> tuple[str, ...]:
        return (STUDENT,)

    @classmethod
    def epochs_of(cls, options: Mapping[str, Any], networks: Mapping[str, Any], epochs: int) -> Spans:
        names = [name for name in (WIDE, DEEP) if options.get(f"{name}_network") is not None]
        if not options.get("teacher_epochs"):
            return {**dict.fromkeys(names, (0, epochs)), STUDENT: (0, epochs)}
        turns = Turns(options["teacher_epochs"], options.get("turn_epochs"), options.get("teachers_every", 1))
        spans = dict.fromkeys(names, (0, min(turns.teachers_end, epochs)))
        return {**spans, STUDENT: (min(turns.students_first, epochs), epochs)}

    def phase_at(self, epoch: int) -> int:
        return ONLINE if self.turns is None else self.turns.phase_at(epoch)

    def schedule_epochs(self, epochs: int) -> int:
        return epochs if self.turns is None or self.turns.length is None else self.turns.teacher

    @property
    def current_rate(self) -> float:
        if self.turns is None:
            return super().current_rate
        return float(self.update.optimizers[1 if self.phase == TEACHERS else -1].learning_rate)

    def players(self) -> list[Player]:
        def player(name, variables, begins, timed=None):
            optimizer = with_rate(self.optimizer, 1.0, self.teachers_every, timed)
            options = {"every": self.teachers_every, "counts": "own" if self.turns is not None else None}
            return Player(name, variables, optimizer=optimizer, terms=begins, **options)

        groups = {name: group for name, group in self.teaching.groups.items() if name != STUDENT}
        found = [
            player(name, [v for network in networks for v in network.trainable_variables], begins)
            for name, (networks, begins) in groups.items()
        ]
        if self.turns is not None:  # Its Adam begins when it does.
            learning = [self.peers[STUDENT], *self.adapters.values()]
            variables = [v for network in learning for v in network.trainable_variables]
            found.append(player(STUDENT, variables, None, self._in_students_time))
        return found

    def _in_students_time(self, schedule):
        if not self.steps_per_epoch:
            raise ValueError("In turns a schedule needs compile(..., steps_per_epoch=N). Received: none.")
        return StudentsTime(schedule, self.steps_per_epoch, self.turns)

    # The stored teacher ---------------------------------------------------------------------------------------------

    @property
    def _judges(self):
        """Whether a turn of a teacher that is stored ends with the last step."""
        return self.stored is not None and self.turns.ends_teachers(int(self.epoch) - 1)

    def extra_values(self, split: str, examples: Callable[[str], Any]) -> dict[str, float]:
        return self.stored.value_back(examples(split)) if split == "validation" and self._judges else {}

    def after_validation(self, values: Mapping[str, float]) -> None:
        if self._judges:
            self.stored.judge(values)

    def enter_phase(self, phase: int) -> None:
        if phase == IMITATION and self.stored is not None:
            self.stored.check()

    # The loss -------------------------------------------------------------------------------------------------------

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        image = self.view(images, 0)
        networks = self.peers if self.stored is None else {**self.peers, STORED: self.teacher}
        if training:
            networks = {name: networks[name] for name in self._needed(networks)}
        outputs = {name: network(image, training=training) for name, network in networks.items()}
        return {**outputs, "input": {"images": image}}

    def _needed(self, names):
        """Those of the networks that a step of this phase needs; moving statistics, too, wait for their turn."""
        if self.phase == TEACHERS:
            return [name for name in names if name not in (STUDENT, STORED)]
        if self.stored is not None:
            return [STUDENT, STORED]
        return list(names)

    def with_targets(self, outputs: Outputs, targets: Targets, training: bool) -> Outputs:
        if self.stored is None or self.phase != TEACHERS:
            return outputs
        return self.teaching.with_targets(outputs, targets, training)

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        terms: Terms = {}
        if self.phase != IMITATION:
            terms |= self.teaching.terms(targets, outputs)
        if not self.alone and self.phase != TEACHERS:
            terms |= self._student_terms(outputs)
        return terms

    def _student_terms(self, outputs):
        """The terms by which the student follows its teachers' pictures, which are constants."""
        taps, replicas = outputs[STUDENT], self.distribute_strategy.num_replicas_in_sync
        picture, terms = self.answer(taps), {}
        maps = self.imitation.maps_of(picture)
        for name in self.teaching.taught_by:
            found = self.imitation.terms(self.answer(outputs[name]), picture, maps, replicas)
            terms |= {f"{STUDENT}/{name}_{kind}": term for kind, term in found.items()}
        if self.adapters:
            wider = WIDE if self.stored is None else STORED
            channels = channel_term(self.adapters, outputs[wider], taps)
            terms[f"{STUDENT}/{wider}_channels"] = self.own_weights["channel"] * channels
        return terms

    def after_step(self, targets: Targets, outputs: Outputs) -> None:
        if self.stored is not None and self.phase == TEACHERS:
            self.teaching.after_step(outputs)
