"""Feature fusion learning (FFL): branches and the classifier on their fused maps teach each other.

Kim, Hyun, Chung, Kwak, "Feature Fusion for Online Mutual Knowledge Distillation", arXiv 1904.09058, ICPR 2020;
released code: Jangho-Kim/FFL-pytorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

from odtf.losses import check_temperature
from odtf.methods.shared.branches import Branched
from odtf.methods.shared.fusion import fusion_module, joined
from odtf.methods.shared.peers import last_map, peer_seed
from odtf.methods.shared.players import Player

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Terms
    from odtf.models.annotations import Networks


class FeatureFusion(Branched):
    """n branches on a shared trunk, and a fusion module whose classifier teaches them and learns from their mean.

    Loss: sum over branches i of CE(z_i, y), plus CE(z_f, y), plus
    w(e) T^2 [ sum over i of KL(sg[p_f] || p_i) + KL(sg[softmax(mean_i z_i / T)] || p_f) ],
    T = 3, w(e) = exp(-5 (1 - e/80)^2) up to epoch 80, then 1.

    The fusion module is concat(F_1..F_n) -> depthwise 3x3 -> BN -> ReLU -> conv 1x1 -> BN -> ReLU -> GAP -> dense.
    The targets of the divergences are detached; the maps that go into the fusion are not, so that its labels and the
    ensemble also train the branches and the trunk.

    There are two products: "FFL-S", one branch with the trunk, which costs what the network alone costs, and "FFL",
    the peer "fused" of everything together. Both are trained, reported and can be exported.

    Deviation: convolutions of the networks start as those of `odtf.models` do (fan-in), the released ones by fan-out.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each branch, which may differ and then share nothing.
        num_peers: int, the number of branches, at least 2 as in the released code; a sequence has its own length.
        temperature: positive float.
        ramp_epochs: float, the length of the ramp w(e); 0 for none.
        student: "single" or "fused", the product that validation chooses the student from.
        cut: name of the tap or layer after which the branches part; None: the last stage but one, as released.
        fusion_weight_decay: float, the coupled weight decay of the fusion module.
        **common: `task`, `seed`, `synchronized`, `name`; see `Method`.

    Raises:
        ValueError: if there are fewer than 2 branches, the student is of no known kind, or the networks cannot share
            their layers up to the cut.
    """

    only = ("classification",)
    tells_peers_apart = True

    def __init__(
        self,
        networks: Networks,
        *,
        num_peers: int = 2,
        temperature: float = 3.0,
        ramp_epochs: float = 80.0,
        student: str = "single",
        cut: str | None = None,
        fusion_weight_decay: float = 1e-5,
        **common: Any,
    ) -> None:
        if student not in ("single", "fused"):
            raise ValueError(f"The student must be 'single' or 'fused'. Received: student={student!r}.")
        self.temperature = check_temperature(temperature)
        self.student = student
        self.fusion_weight_decay = float(fusion_weight_decay)
        super().__init__(
            networks, num_peers=num_peers, shared=callable(networks), cut=cut, ramp_epochs=ramp_epochs, **common
        )
        outputs = [peer.output for peer in self.peers.values()]
        self.fusion = fusion_module(
            [last_map(taps) for taps in outputs],
            outputs[0]["logits"].shape[-1],
            seed=peer_seed(self.seed, len(outputs)),
            synchronized=self.synchronized,
        )
        self.peers["fused"] = joined(self.trunk, list(self.branches.values()), self.fusion, last_map, name="fused")

    @property
    def students(self) -> tuple[str, ...]:
        return ("fused",) if self.student == "fused" else tuple(self.branches)

    def players(self) -> list[Player]:
        return [Player("fusion", self.fusion.trainable_variables, weight_decay=self.fusion_weight_decay)]

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        outputs = super().call(images, training)
        return {**outputs, "fused": self.fusion([last_map(taps) for taps in outputs.values()], training=training)}

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        logits = {name: taps["logits"] for name, taps in outputs.items()}
        fused = logits["fused"]
        branches = [logits[name] for name in self.branches]
        teachers = dict.fromkeys(logits, fused) | {"fused": sum(branches) / len(branches)}
        terms = {}
        for name, z in logits.items():
            target = ops.stop_gradient(teachers[name])
            terms[f"{name}/supervised"] = self.task.supervised(targets, z)
            terms[f"{name}/distillation"] = self.ramp * self.distil(targets, target, z, self.temperature)
        return terms
