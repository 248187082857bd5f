"""The Fréchet distance between the features of generated and of real pictures."""

import warnings

import numpy as np
from keras import ops

from odtf.metrics import Metric
from odtf.tasks.translation.likeness import in_unit_range, pictures_of


class FrechetDistance(Metric):
    """The Fréchet distance of two normal distributions, fitted to features of generated and of real pictures.

    Named after the network that gives the features: it is the FID only with the Inception weights of 2015-12-05, see
    `odtf.models.fid_inception`, and is called so then. Numbers of different networks, or of different counts of
    pictures, cannot be compared. Covariances are unbiased. Without pairs every image and every picture counts once,
    however often it comes in a split.

    Args:
        network: callable from images in [-1, 1] to features `[batch, features]`; see `judges.Judge`.
        title: words for the network.

    Reference:
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", NIPS 2017.
    """

    better = min
    share = False

    def __init__(self, network, title):
        self.network, self._words = network, title

    @property
    def title(self):
        """Words for people: FID where it is that."""
        return "FID" if getattr(self.network, "is_of_fid", False) else f"Fréchet distance by {self._words}"

    def sums(self, targets, output, weights):
        real, counted = pictures_of(targets), targets.get("counted") if isinstance(targets, dict) else None
        found = {}
        for index, (name, images) in enumerate((("generated", output), ("real", in_unit_range(real)))):
            # float64: a covariance is a small difference of large sums.
            features = ops.cast(self.network(images), "float64")
            features = ops.reshape(features, (ops.shape(features)[0], -1))
            counts = ops.cast(weights, "float64")
            if counted is not None:
                counts = counts * ops.cast(counted[:, index], "float64")
            weighted = features * counts[:, None]
            found[f"{name}_count"] = ops.sum(counts)
            found[f"{name}_sum"] = ops.sum(weighted, axis=0)
            found[f"{name}_products"] = ops.matmul(ops.transpose(features), weighted)
        return found

    def result(self, sums, reference=None):
        return frechet_distance(*_moments(sums, "generated"), *_moments(sums, "real"))


def _moments(sums, name):
    count, total = float(sums[f"{name}_count"]), np.asarray(sums[f"{name}_sum"], np.float64)
    mean = total / count
    centred = np.asarray(sums[f"{name}_products"], np.float64) - count * np.outer(mean, mean)
    return mean, centred / max(count - 1.0, 1.0)


def frechet_distance(mean, covariance, other_mean, other_covariance):
    """Computes |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)), the squared Fréchet distance of two normal distributions.

    The root is scipy's; where it is not finite, 1e-6 is added to the diagonals first, as the field's code does.

    Args:
        mean, other_mean: arrays `[features]`.
        covariance, other_covariance: arrays `[features, features]`.

    Returns:
        float, 0 or more.
    """
    from scipy.linalg import sqrtm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of a singular product, which is usual: fewer pictures than features.
        root = sqrtm(covariance @ other_covariance)
        if not np.isfinite(root).all():
            offset = 1e-6 * np.eye(len(mean))
            root = sqrtm((covariance + offset) @ (other_covariance + offset))
    difference = np.asarray(mean) - np.asarray(other_mean)
    traces = np.trace(covariance) + np.trace(other_covariance) - 2.0 * np.trace(np.real(root))
    return max(0.0, float(difference @ difference + traces))
