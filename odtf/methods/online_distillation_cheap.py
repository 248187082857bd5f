"""Online distillation of networks made from cheap convolutions (OD-cheap-convolution).

Xie, Lin, Zhang, Luo, "Training convolutional neural networks with cheap convolutions and online distillation",
arXiv 1909.13063, Neurocomputing 2020; released code: EthanZhangYC/OD-cheap-convolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops

from odtf.layers import BatchNormalization
from odtf.layers.initializers import linear_uniform
from odtf.losses import check_temperature
from odtf.methods.base import Method
from odtf.methods.shared.frozen_teacher import check_share
from odtf.methods.shared.fusion import joined
from odtf.methods.shared.peers import check_answers, independent_peers, last_map, peer_seed, several
from odtf.models import heads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Spans, Taps, Terms
    from odtf.models.annotations import Network, Networks


class OnlineDistillationCheap(Method):
    """m copies of one cheap network that start differently, and a classifier on their concatenated features.

    Loss: L(z_t, y) + sum over peers i of [ L(z_i, y) + T^2 KL(p_t || p_i) ], T = 4, all coefficients 1, L the task's
    supervised term.

    The teacher is concat(Z_1..Z_m) -> BN -> ReLU -> global average pooling -> dense, on the maps Z_i before pooling.
    Where an answer is a map (ours; the paper has classes alone), a 1x1 convolution, enlarged to the answer's size,
    stands in for pooling and dense. Learning is mutual: the teacher is not detached, so that the divergence also pulls
    the teacher's head and, through the concatenation, all peers.

    That is the released code, in which no network has standard convolutions: the peers were made from one by replacing
    them. The abstract has "the teacher with the standard convolution". A DESIGN CHOICE for it is `teacher_network`: one
    more member z_n, there only to teach, trained from scratch with the rest. The loss is then

        L(z_n, y) + mutual T^2 KL(sg[p(mean_i z_i)] || p_n) + L(z_t, y)
        + sum over peers i of [ (1 - share) L(z_i, y) + share T^2 KL(p(target) || p_i) ],

    the target being z_n, or the mean of z_n and z_t. In the log and in report.json "teacher" is that network, and the
    concatenation is "head". Whether the target is detached is `detach_teacher`'s to say here too.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each peer, whose last maps are of one height and width.
        num_peers: int, at least 2; a sequence has its own length. The paper writes a general m; the released code has
            4.
        temperature: positive float.
        kl_reduction: the `reduction` of the divergence "kl": "batchmean", the default and the formula of the paper, or
            "elementmean", the mean over batch and classes that the released code gets from PyTorch's default (1/classes
            of the former). Which one the paper's tables used is UNVERIFIED.
        detach_teacher: bool; True stops the gradient at the target's logits in the divergence. False is the released
            code (PyTorch 0.4.1 differentiates the target) and the abstract's "mutual learning".
        share: float in [0, 1], the weight of a peer's divergence, and 1 - share that of its labels; None: 1 for both,
            as released.
        teacher_network: callable as `networks`, for the standard network; None: there is none, as released.
        target: "network" or "mean", what the peers follow where there is that network.
        mutual: float, not negative: how much it follows the peers.
        **common: `task`, `seed`, `synchronized`, `divergence`, `name`; see `Method`.

    Raises:
        ValueError: if there are fewer than 2 peers, their maps or answers do not fit, or an argument is out of range.
    """

    tells_peers_apart = True

    def __init__(
        self,
        networks: Networks,
        *,
        num_peers: int = 4,
        temperature: float = 4.0,
        kl_reduction: str | None = None,
        detach_teacher: bool = False,
        share: float | None = None,
        teacher_network: Network | None = None,
        target: str = "network",
        mutual: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.divergence.take(kl_reduction=kl_reduction)
        if target not in ("network", "mean"):
            raise ValueError(f"target must be 'network' or 'mean'. Received: {target!r}.")
        if mutual < 0 or (teacher_network is None and (mutual or target != "network")):
            raise ValueError(
                "mutual must not be negative, and it and target are of a teacher_network. "
                f"Received: mutual={mutual}, target={target!r}, {'no' if teacher_network is None else 'a'} network."
            )
        self.temperature = check_temperature(temperature)
        self.detach_teacher = bool(detach_teacher)
        weights: tuple[Any, Any] = (1.0, 1.0) if share is None else (1.0 - share, check_share(share))
        self.labels_weight, self.soft_weight = weights
        self.target, self.mutual = target, float(mutual)
        self.peers = independent_peers(several(networks, num_peers), self.seed)
        check_answers(self.peers, self.task, averaged=bool(mutual))
        self.teacher_head = teacher_head(
            list(self.peers.values()),
            self.synchronized,
            seed=peer_seed(self.seed, len(self.peers)),
            output=self.task.output,
        )
        if teacher_network is not None:
            self.teacher = teacher_network(seed=peer_seed(self.seed, len(self.peers) + 1), name="teacher")
            check_answers({"teacher": self.teacher, **self.peers}, self.task, averaged=target == "mean")

    @classmethod
    def epochs_of(cls, options: Mapping[str, Any], networks: Mapping[str, Any], epochs: int) -> Spans:
        teacher = {"teacher": None} if options.get("teacher_network") else {}
        return super().epochs_of(options, {**teacher, **networks}, epochs)

    def call_teacher(self, outputs: Outputs, training: bool) -> Taps:
        return self.teacher_head([last_map(outputs[name]) for name in self.peers], training=training)

    def ensemble_network(self) -> keras.Model:
        return joined(None, list(self.peers.values()), self.teacher_head, last_map, name="teacher")

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        outputs = super().call(images, training)
        if self.teacher is None:
            return outputs
        standard = self.teacher(self.view(images, 0), training=training)
        return {**outputs, "head": outputs["teacher"], "teacher": standard}

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        answers = self.answers(outputs)
        teachers = ("teacher",) if self.teacher is None else ("teacher", "head")
        terms = {f"{name}/supervised": self.task.supervised(targets, answers[name]) for name in teachers}
        target = (answers["teacher"] + answers["head"]) / 2.0 if self.target == "mean" else answers["teacher"]
        target = ops.stop_gradient(target) if self.detach_teacher else target
        for name in self.peers:
            soft = self.distil(targets, target, answers[name], self.temperature)
            terms[f"{name}/supervised"] = self.labels_weight * self.task.supervised(targets, answers[name])
            terms[f"{name}/distillation"] = self.soft_weight * soft
        if self.mutual:
            ensemble = ops.stop_gradient(sum(answers[name] for name in self.peers) / len(self.peers))
            soft = self.distil(targets, ensemble, answers["teacher"], self.temperature)
            terms["teacher/mutual"] = self.mutual * soft
        return terms


def teacher_head(peers, synchronized, seed, output="logits"):
    """Builds the teacher on the peers' last maps: concat -> BN -> ReLU -> GAP -> dense.

    Args:
        peers: list of networks; the last of their taps "stageN" is the map `[batch, height, width, channels]`.
        synchronized: bool, whether batch normalisation spans all replicas.
        seed: int, seeds the last layer.
        output: name of the tap that is a peer's answer; where that is a map, a 1x1 convolution replaces GAP and dense.

    Returns:
        `keras.Model` from the list of maps to an answer like the peers', and "embedding" where it is a vector.

    Raises:
        ValueError: if an answer is a map whose sides are not the last map's, doubled some times.
    """
    maps = [keras.Input(last_map(peer.output).shape[1:]) for peer in peers]
    x = layers.Concatenate(name="concatenate")(maps)
    x = BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=synchronized, name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    answer = peers[0].output[output].shape[1:]
    if len(answer) == 3:
        return keras.Model(maps, {output: _map_answer(x, answer, seed, output)}, name="teacher_head")
    # Where the answer is called so itself, as in retrieval, what comes before it has another name.
    embedding = layers.GlobalAveragePooling2D(name="pooled" if output == "embedding" else "embedding")(x)
    dense = layers.Dense(answer[-1], dtype="float32", name=output, **_initializers(embedding, seed))
    return keras.Model(maps, {"embedding": embedding, output: dense(embedding)}, name="teacher_head")


def _map_answer(x, answer, seed, name):
    return heads.enlarged(heads.pixelwise(x, answer[-1], (seed, seed + 1), name=f"{name}_conv"), answer[:2], name=name)


def _initializers(x, seed):
    """PyTorch's default for linear layers, weights and biases alike."""
    fan_in = x.shape[-1]
    return {"kernel_initializer": linear_uniform(fan_in, seed), "bias_initializer": linear_uniform(fan_in, seed + 1)}
