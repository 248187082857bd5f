"""Online distillation of networks made from cheap convolutions (OD-cheap-convolution).

Xie, Lin, Zhang, Luo, "Training convolutional neural networks with cheap convolutions and online distillation",
arXiv 1909.13063, Neurocomputing 2020; released code: EthanZhangYC/OD-cheap-convolution.
"""

import keras
from keras import layers, ops

from odtf.layers import BatchNormalization
from odtf.losses import check_temperature, cross_entropy, kl_divergence
from odtf.methods.base import Method
from odtf.methods.shared.peers import independent_peers, last_map, peer_seed


class OnlineDistillationCheap(Method):
    """m copies of one cheap network that start differently, and a classifier on their concatenated features.

    Loss: CE(z_t, y) + sum over peers i of [ CE(z_i, y) + T^2 KL(p_t || p_i) ], T = 4, all coefficients 1.

    The teacher is concat(Z_1..Z_m) -> BN -> ReLU -> global average pooling -> dense, on the maps Z_i before pooling.
    Learning is mutual: the teacher is not detached, so that the divergence also pulls the teacher's head and, through
    the concatenation, all peers. There is no standard-convolution network in this cohort: that is what the peers were
    made from, by replacing its convolutions.

    Args:
        network: callable `network(seed=int, name=str)` that returns a network with taps "stageN"
            and "logits".
        num_peers: int, at least 2. The paper writes a general m; the released code has 4.
        temperature: positive float.
        kl_reduction: "batchmean", the formula of the paper, or "elementmean", the mean over batch and classes that
            the released code gets from PyTorch's default (1/classes of the former). Which one the paper's tables
            used is UNVERIFIED.
        detach_teacher: bool; True stops the gradient at the teacher's logits in the divergence. False is the
            released code (PyTorch 0.4.1 differentiates the target) and the abstract's "mutual learning".
        synchronized: bool, whether the teacher's batch normalisation spans all replicas.
        seed: int; every peer is initialised with a seed of its own, derived from this one. The peers see the same
            images: without different starts they would stay twins for ever.
        weight_decay: float, see `Method`.
        label_smoothing: float, see `Method`.

    Raises:
        ValueError: if there are fewer than 2 peers, the temperature is not positive or the reduction is unknown.
    """

    def __init__(
        self,
        network,
        *,
        num_peers=4,
        temperature=4.0,
        kl_reduction="batchmean",
        detach_teacher=False,
        synchronized=False,
        seed=0,
        weight_decay=0.0,
        label_smoothing=0.0,
        name="od_cheap",
    ):
        if num_peers < 2:
            raise ValueError(f"Online distillation needs at least 2 peers. Received: num_peers={num_peers}.")
        if kl_reduction not in ("batchmean", "elementmean"):
            raise ValueError(f"kl_reduction must be 'batchmean' or 'elementmean'. Received: {kl_reduction!r}.")
        self.temperature = check_temperature(temperature)
        self.kl_reduction = kl_reduction
        self.detach_teacher = bool(detach_teacher)
        peers = independent_peers([network] * num_peers, seed)
        super().__init__(peers, weight_decay=weight_decay, label_smoothing=label_smoothing, name=name)
        self.teacher_head = teacher_head(list(peers.values()), synchronized, seed=peer_seed(seed, num_peers))

    def call_teacher(self, outputs, training):
        return self.teacher_head([last_map(outputs[name]) for name in self.peers], training=training)

    def loss_terms(self, labels, outputs):
        teacher = outputs["teacher"]["logits"]
        target = ops.stop_gradient(teacher) if self.detach_teacher else teacher
        weight = 1.0 if self.kl_reduction == "batchmean" else 1.0 / teacher.shape[-1]
        terms = {"teacher/cross_entropy": cross_entropy(labels, teacher, self.label_smoothing)}
        for name in self.peers:
            logits = outputs[name]["logits"]
            terms[f"{name}/cross_entropy"] = cross_entropy(labels, logits, self.label_smoothing)
            terms[f"{name}/distillation"] = weight * kl_divergence(target, logits, self.temperature)
        return terms


def teacher_head(peers, synchronized, seed):
    """Builds the teacher on the peers' last maps: concat -> BN -> ReLU -> GAP -> dense.

    Args:
        peers: list of networks; the last of their taps "stageN" is the map `[batch, height, width, channels]`.
        synchronized: bool, whether batch normalisation spans all replicas.
        seed: int, seeds the dense layer.

    Returns:
        `keras.Model` from the list of maps to {"embedding", "logits"}.
    """
    maps = [keras.Input(last_map(peer.output).shape[1:]) for peer in peers]
    x = layers.Concatenate(name="concatenate")(maps)
    x = BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=synchronized, name="norm")(x)
    embedding = layers.GlobalAveragePooling2D(name="embedding")(layers.ReLU(name="relu")(x))
    bound = embedding.shape[-1] ** -0.5
    logits = layers.Dense(
        peers[0].output["logits"].shape[-1],
        # PyTorch's default for linear layers, weights and biases alike.
        kernel_initializer=keras.initializers.RandomUniform(-bound, bound, seed=seed),
        bias_initializer=keras.initializers.RandomUniform(-bound, bound, seed=seed + 1),
        dtype="float32",
        name="logits",
    )(embedding)
    return keras.Model(maps, {"embedding": embedding, "logits": logits}, name="teacher_head")
