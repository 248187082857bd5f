"""ONE: branches on a shared trunk, and a gated ensemble of them as their teacher.

Lan, Zhu, Gong, "Knowledge Distillation by On-the-Fly Native Ensemble", NeurIPS 2018; released code:
Lan1991Xu/ONE_NeurIPS2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops

from odtf.layers.initializers import linear_uniform
from odtf.losses import check_temperature
from odtf.methods.shared.branches import Branched
from odtf.methods.shared.fusion import joined
from odtf.methods.shared.peers import peer_seed

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Terms
    from odtf.models.annotations import Networks


class ONE(Branched):
    """m branches of one network; a gate on the shared map weighs their logits into the teacher's.

    Loss: sum_i CE(z_i, y) + CE(z_e, y) + w(epoch) sum_i T^2 KL(sg[p_e] || p_i), with z_e = sum_i g_i z_i for each
    example, T = 3, m = 3 and w the ramp of 80 epochs.

    The gate is average pooling -> dense -> batch normalisation -> ReLU -> softmax over the branches. It learns from
    CE(z_e, y) alone: the teacher is a constant in the divergence.

    There are two products: a branch with the trunk, which costs what the network alone costs (the paper takes the
    first, here validation chooses), and "ONE-E", the peer "ensemble" of trunk, gate and all branches. Both are trained,
    reported and can be exported.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each peer, whose networks are equal up to the cut.
        num_peers: int, at least 2; a sequence has its own length.
        temperature: positive float.
        ramp_epochs: float, the length of the ramp; 0 for none.
        detach_teacher: bool; False lets the divergence move the gate and the teacher's side, as the re-implementation
            in OKDDip's code does.
        student: "branch" or "ensemble", the product that validation chooses the student from.
        cut: tap or layer after which the branches part; None: the last stage is the branches' own.
        **common: `task`, `seed`, `synchronized`, `name`; see `Method`.

    Raises:
        ValueError: if there are fewer than 2 peers, the temperature is not positive or the student of no known kind.
    """

    only = ("classification",)
    tells_peers_apart = True

    def __init__(
        self,
        networks: Networks,
        *,
        num_peers: int = 3,
        temperature: float = 3.0,
        ramp_epochs: float = 80,
        detach_teacher: bool = True,
        student: str = "branch",
        cut: str | None = None,
        **common: Any,
    ) -> None:
        if student not in ("branch", "ensemble"):
            raise ValueError(f"The student must be 'branch' or 'ensemble'. Received: student={student!r}.")
        self.temperature = check_temperature(temperature)
        self.detach_teacher = bool(detach_teacher)
        self.student = student
        super().__init__(networks, num_peers=num_peers, cut=cut, ramp_epochs=ramp_epochs, **common)
        count, classes = len(self.branches), self.peers["peer_0"].output["logits"].shape[-1]
        self.gate = make_gate(self.trunk.output["cut"], count, self.synchronized, seed=peer_seed(self.seed, count))
        self.mixture = make_mixture(count, classes)
        self.peers["ensemble"] = joined(
            self.trunk, [*self.branches.values(), self.gate], self.mixture, lambda taps: taps["logits"], name="ensemble"
        )

    @property
    def students(self) -> tuple[str, ...]:
        return ("ensemble",) if self.student == "ensemble" else tuple(self.branches)

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        outputs = super().call(images, training)
        gate = self.gate(outputs["peer_0"]["cut"], training=training)["logits"]
        logits = [outputs[name]["logits"] for name in self.branches]
        return {**outputs, "ensemble": {"gate": gate, **self.mixture([*logits, gate])}}

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        ensemble = outputs["ensemble"]["logits"]
        target = ops.stop_gradient(ensemble) if self.detach_teacher else ensemble
        terms = {"ensemble/supervised": self.task.supervised(targets, ensemble)}
        for name in self.branches:
            logits = outputs[name]["logits"]
            terms[f"{name}/supervised"] = self.task.supervised(targets, logits)
            terms[f"{name}/distillation"] = self.ramp * self.distil(targets, target, logits, self.temperature)
        return terms


def make_gate(cut, num_branches, synchronized, seed):
    """Builds the gate: average pooling -> dense -> BN -> ReLU -> softmax.

    Args:
        cut: KerasTensor `[batch, height, width, channels]`, the shared map.
        num_branches: int.
        synchronized: bool, whether batch normalisation spans all replicas.
        seed: int, seeds the dense layer.

    Returns:
        `keras.Model` from the map to "logits", here float32 weights `[batch, num_branches]` that sum to 1.
    """
    shared = keras.Input(cut.shape[1:], dtype=cut.dtype)
    x = layers.GlobalAveragePooling2D(name="pool")(shared)
    x = layers.Dense(
        num_branches,
        kernel_initializer=linear_uniform(x.shape[-1], seed),
        bias_initializer=linear_uniform(x.shape[-1], seed + 1),
        dtype="float32",
        name="dense",
    )(x)
    norm = layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, synchronized=synchronized, dtype="float32", name="norm"
    )
    x = layers.ReLU(dtype="float32", name="relu")(norm(x))
    return keras.Model(shared, {"logits": layers.Softmax(dtype="float32", name="weights")(x)}, name="gate")


def make_mixture(num_branches, num_classes):
    """Builds the weighted sum of logits, of layers that every target of an export knows.

    Returns:
        `keras.Model` from a list of the branches' logits `[batch, num_classes]` and the weights
        `[batch, num_branches]` to "logits" `[batch, num_classes]`.
    """
    inputs = [keras.Input((num_classes,)) for _ in range(num_branches)] + [keras.Input((num_branches,))]
    rows = [layers.Reshape((1, num_classes), dtype="float32", name=f"row{i}")(x) for i, x in enumerate(inputs[:-1])]
    weights = layers.Reshape((num_branches, 1), dtype="float32", name="column")(inputs[-1])
    weighted = layers.Multiply(dtype="float32", name="weighted")(
        [layers.Concatenate(axis=1, dtype="float32", name="rows")(rows), weights]
    )
    mean = layers.GlobalAveragePooling1D(dtype="float32", name="mean")(weighted)
    return keras.Model(inputs, {"logits": layers.Rescaling(num_branches, dtype="float32", name="sum")(mean)})
