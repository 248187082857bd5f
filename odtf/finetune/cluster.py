"""Clustering: the weights of a kernel share a few values, so that the file compresses."""

import numpy as np
import tf_keras

from odtf.finetune.stage import Stage
from odtf.finetune.tfmot import tfmot


class Clustered(Stage):
    """A twin whose kernels have few different values: the centroids, which learn, and each weight takes the nearest.

    Depthwise kernels are left alone, as TFMOT does, and kernels that have no more weights than there are clusters.

    Args:
        twin: `tf_keras.Model` as `twin_of` gives it; it becomes part of this one.
        settings: `Settings`.

    Reference:
        Han, Mao, Dally, "Deep Compression", 2016, section 3.
    """

    def __init__(self, twin, settings):
        clustered = [
            layer.name
            for layer in twin.layers
            if hasattr(layer, "kernel") and np.unique(layer.kernel.numpy()).size > settings.clusters
        ]
        self.left_dense = [layer.name for layer in twin.layers if _has_kernel(layer) and layer.name not in clustered]
        options = {
            "number_of_clusters": settings.clusters,
            "cluster_centroids_init": tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS,
        }

        def wrapped(layer):
            return tfmot.clustering.keras.cluster_weights(layer, **options) if layer.name in clustered else layer

        super().__init__(tf_keras.models.clone_model(twin, clone_function=wrapped))

    def weights(self):
        # Once more through the model: the last step moved the weights after they had been clustered.
        for layer in self.model.layers:
            if hasattr(layer, "update_clustered_weights_associations"):
                layer.update_clustered_weights_associations()
        stripped = tfmot.clustering.keras.strip_clustering(self.model)
        return {layer.name: layer.get_weights() for layer in stripped.layers if layer.weights}


def _has_kernel(layer):
    return hasattr(layer, "kernel") or hasattr(layer, "depthwise_kernel")
