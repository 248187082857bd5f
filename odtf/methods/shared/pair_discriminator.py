"""Teachers of pairs, and their discriminator: whether an image and a picture beside it belong together."""

from keras import ops

from odtf.losses import hinge_fake, hinge_generator, hinge_real
from odtf.methods.shared.peers import peer_seed
from odtf.models.discriminators import patch_discriminator, route


class PairDiscriminator:
    """PatchGAN on an image and a picture, concatenated, with a route for each generator, and its hinge losses.

    It always sees the statistics of the batch. A generator's picture passes it once: what it answers is minimised by
    the generator for the generator's variables, and by the discriminator for its own, as of the same weights.

    Args:
        image, picture: KerasTensors, what a generator takes and gives.
        routes: names of the generators.
        **options: `shared`, `width`, `norm`, `seed` and `synchronized` of `odtf.models.patch_discriminator`.

    Attributes:
        network: `keras.Model`.
    """

    def __init__(self, image, picture, routes, **options):
        shape = (*image.shape[1:3], image.shape[3] + picture.shape[3])
        self.network = patch_discriminator(shape, routes=tuple(routes), **options)
        self._routes = {name: route(self.network, name) for name in routes}

    def terms(self, images, real, made):
        """Returns the terms of the generators and of the discriminator.

        Args:
            images: float tensor `[batch, height, width, channels]`.
            real: pictures that belong to them, float32 in [-1, 1].
            made: dict from a generator's name to the pictures that it makes of them.

        Returns:
            Two dicts from a name to a float32 tensor `[batch]`: a generator's term by its name; "NAME_made" and
            "NAME_real", each by half, of the discriminator. The real pair counts once for every generator.
        """
        truth = self._pair(self.network, images, real)
        generators, own = {}, {}
        for name, picture in made.items():
            answers = self._pair(self._routes[name], images, picture)
            generators[name] = hinge_generator(answers)
            own[f"{name}_made"] = 0.5 * hinge_fake(answers)
            own[f"{name}_real"] = 0.5 * hinge_real(truth[name])
        return generators, own

    def _pair(self, network, images, pictures):
        parts = [ops.cast(each, "float32") for each in (images, pictures)]
        return network(ops.concatenate(parts, axis=-1), training=True)


class PairedTeaching:
    """What generators of pairs and their common discriminator minimise, each a player of its own.

    A generator k: w_a (-D(x, G_k(x))) + w_r L(G_k(x), y), L being the task's supervised term; the discriminator as of
    `PairDiscriminator`.

    Args:
        cohort: the `Method`.
        judged: names of its peers that are judged.
        weights: dict of floats: "adversarial" and "reconstruction", w_a and w_r.
        **options: as for `PairDiscriminator`.

    Attributes:
        networks: dict from an attribute of the cohort to a network: "discriminator".
        groups: dict from the name of a player to its networks and to what its terms begin with.
        taught_by: names of those from which a student learns.
    """

    def __init__(self, cohort, judged, *, weights, **options):
        self._cohort, self._weights, self.taught_by = cohort, weights, tuple(judged)
        peers, output = cohort.peers, cohort.task.output
        some = peers[judged[0]]
        options |= {"seed": peer_seed(cohort.seed, 3), "synchronized": cohort.synchronized}
        self._pairs = PairDiscriminator(some.input, some.output[output], judged, **options)
        self.networks = {"discriminator": self._pairs.network}
        networks = {"discriminator": self._pairs.network, **{name: peers[name] for name in judged}}
        self.groups = {name: ([network], (f"{name}/",)) for name, network in networks.items()}

    def terms(self, targets, outputs):
        """Returns the terms of the discriminator and of the generators by name, each a float32 tensor `[batch]`."""
        cohort, made = self._cohort, {name: self._cohort.answer(outputs[name]) for name in self.taught_by}
        generators, own = self._pairs.terms(outputs["input"]["images"], cohort.task.real(targets), made)
        terms = {f"discriminator/{name}": term for name, term in own.items()}
        for name, picture in made.items():
            supervised = cohort.task.supervised(targets, picture)
            terms[f"{name}/supervised"] = self._weights["reconstruction"] * supervised
            terms[f"{name}/adversarial"] = self._weights["adversarial"] * generators[name]
        return terms
