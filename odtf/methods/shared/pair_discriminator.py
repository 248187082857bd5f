"""A discriminator of pairs: whether an image and a picture beside it belong together."""

from keras import ops

from odtf.losses import hinge_fake, hinge_generator, hinge_real
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
