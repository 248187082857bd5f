"""Imitation of images: what makes a student's image one of its teacher's, without a discriminator."""

import keras
from keras import ops

from odtf import losses, own_code
from odtf.models.adapters import channel_adapter
from odtf.models.perception import perceptual_features

CHANNELS = "channels"
# The weights that belong to the features of one network.
FITTED = ("style", "feature")


class ImageImitation:
    """The distance of a student's image from a teacher's: structure, style, features and smoothness.

    w_1 (1 - SSIM(s, t)) + w_2 sum_l |Gram_l(s) - Gram_l(t)| + w_3 |phi(s) - phi(t)| + w_4 TV(s), means but for TV, a
    sum over the whole batch, on all replicas together.

    Args:
        features: as `find_features` takes it; None where neither style nor features count.
        structure, style, feature, variation: floats, w_1 to w_4, not negative; style and feature may be scalar
            variables.

    Raises:
        ValueError: if the features are missing, or are not what `find_features` takes.
    """

    def __init__(self, features, *, structure, style, feature, variation):
        self.weights = {"structure": structure, "style": style, "features": feature, "variation": variation}
        self.features = features

    def terms(self, teacher, student, maps, replicas):
        """Returns the terms by name, each a float32 tensor `[batch]`.

        Args:
            teacher: images `[batch, height, width, channels]` in [-1, 1]; no gradient flows into them.
            student: images of the same shape.
            maps: what `maps_of` returns of the student's images, which several teachers share.
            replicas: int, how many there are: each has as many images.
        """
        teacher = ops.stop_gradient(teacher)
        weights, batch = self.weights, replicas * ops.cast(ops.shape(student)[0], "float32")
        terms = {
            "structure": weights["structure"] * (1.0 - losses.structural_similarity(teacher, student)),
            # The mean over the batch, which the step takes, is the released code's sum.
            "variation": weights["variation"] * batch * losses.total_variation(student),
        }
        if maps is not None:
            theirs = [ops.stop_gradient(each) for each in self.maps_of(teacher)]
            terms["style"] = weights["style"] * losses.style_difference(theirs, maps)
            terms["features"] = weights["features"] * losses.feature_difference(theirs, maps)
        return terms

    def maps_of(self, images):
        """Returns the maps of the feature network, a list; None where there is no such network."""
        return None if self.features is None else self.features(as_rgb(images))

    def fit(self, means, student, teachers, answer, batches):
        """Fits the weights of style and features, which are variables, to the features in use.

        Args:
            means: what `checked_means` returned.
            student: `keras.Model` to named taps; what it has of statistics stays as it is.
            teachers: list of the same.
            answer: callable from a network's taps to its images.
            batches: list of images `[batch, height, width, channels]`.

        Raises:
            ValueError: if a mean is not a positive number.
        """
        statistics = [(v, v.numpy()) for network in (student, *teachers) for v in network.non_trainable_variables]
        pairs = []
        for images in batches:
            own = answer(student(images, training=True))
            pairs += [(answer(teacher(images, training=True)), own) for teacher in teachers]
        for variable, value in statistics:
            variable.assign(value)
        weights = self.weights
        published = {"style": float(weights["style"]), "feature": float(weights["features"])}
        found = losses.fitted_weights(self.maps_of, means, pairs, published)
        weights["style"].assign(found["style"])
        weights["features"].assign(found["feature"])


def make_imitation(source, weights, holder=None):
    """Builds the imitation of images of a cohort.

    Args:
        source: tuple, the arguments of `find_features`.
        weights: dict of floats, "structure", "style", "feature" and "variation".
        holder: the cohort, where the weights of style and features are variables of it, to be fitted; or None.

    Returns:
        `ImageImitation`.

    Raises:
        ValueError: if features are compared and there are none, or they are not what `find_features` takes.
    """
    compared = weights["style"] or weights["feature"]
    if compared and source[0] is None:
        raise ValueError(
            "Images are compared by the maps of a network: features must name one, or style_weight and feature_weight "
            "be 0. Received: features=None."
        )
    found = find_features(*source) if compared else None
    if found is not None and holder is not None:
        for name in FITTED:
            options = {"initializer": keras.initializers.Constant(weights[name]), "trainable": False}
            variable = holder.add_weight(shape=(), dtype="float32", name=f"{name}_weight", autocast=False, **options)
            weights = {**weights, name: variable}
    return ImageImitation(found, **weights)


def as_rgb(images):
    """Returns images `[batch, height, width, 3]`: of one channel, it three times."""
    return ops.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def find_features(source, taps=None, pixels=None):
    """Returns a function from images in [-1, 1] to a list of maps.

    Args:
        source: as for `odtf.models.perception.perceptual_features`; or FILE.py:NAME or package.module:NAME of a
            function of one's own.
        taps, pixels: as for `perceptual_features`.

    Raises:
        UserError: if there is no such file or function.
        ValueError: if an argument is wrong.
    """
    if own_code.is_own(source):
        return own_code.find(source, "a function of images", "callable", callable)
    return perceptual_features(source, taps=None if taps is None else list(taps), pixels=pixels)


def channel_adapters(student, teacher, seed, synchronized=False):
    """Builds the adapters from a student's maps to a wider teacher's, at the taps "channels1", "channels2" and so on.

    Args:
        student, teacher: networks with these taps.
        seed: int.
        synchronized: bool, whether their batch normalisation spans all replicas.

    Returns:
        dict from the name of a tap to a `keras.Model`.

    Raises:
        ValueError: if the networks have other taps, or maps of other heights and widths.
    """
    taps = [sorted(name for name in network.output if name.startswith(CHANNELS)) for network in (student, teacher)]
    if not taps[0] or taps[0] != taps[1]:
        raise ValueError(
            "Channels are distilled between generators with the same taps channels1, channels2 and so on, as "
            "unet_generator and resnet_generator have them; channel_weight=0 does without. "
            f"Received: the taps {taps[0]} of {student.name} and {taps[1]} of {teacher.name}."
        )
    return {
        tap: channel_adapter(
            student.output[tap],
            teacher.output[tap],
            seed=seed + 2 * index,
            name=f"{student.name}_{tap}_adapter",
            synchronized=synchronized,
        )
        for index, tap in enumerate(taps[0])
    }


def channel_term(adapters, teacher, student):
    """Returns the squared differences of channels' means between adapted maps and a teacher's, `[batch]`.

    Args:
        adapters: what `channel_adapters` returned. They see the statistics of the batch at any time.
        teacher: dict of the teacher's taps; no gradient flows into them.
        student: dict of the student's taps.
    """
    theirs = [ops.stop_gradient(teacher[tap]) for tap in adapters]
    return losses.channel_distillation(
        theirs, [adapter(student[tap], training=True) for tap, adapter in adapters.items()]
    )


def check_weights(weights):
    """Raises ValueError if a weight of a term is negative.

    Args:
        weights: dict from an argument's name to its value.
    """
    for name, value in weights.items():
        if not value >= 0.0:
            raise ValueError(f"The weight of a term must not be negative. Received: {name}={value}.")


def checked_means(means):
    """Returns the means of a reference as a dict, or None where there are none.

    Raises:
        ValueError: if they are not those of style and feature.
    """
    if means is None:
        return None
    if set(means) != set(FITTED):
        raise ValueError(
            f"reference_means has the keys {' and '.join(FITTED)}. Received: {', '.join(means) or 'none'}."
        )
    return {name: float(means[name]) for name in FITTED}
