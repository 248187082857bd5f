"""Peer collaborative learning (PCL): branches taught by their ensemble and by moving averages of each other.

Wu, Gong, "Peer Collaborative Learning for Online Knowledge Distillation", arXiv 2006.04147, AAAI 2021. There is no
official code; the unofficial reproduction is shaoeric/Peer-Collaborative-Learning-for-Online-Knowledge-Distillation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from odtf.losses import check_temperature
from odtf.methods.shared.branches import Branched, shared_trunk
from odtf.methods.shared.fusion import joined, linear
from odtf.methods.shared.peers import embedding_of, independent_peers, peer_seed, several

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Spans, Terms
    from odtf.models.annotations import Networks


class PeerCollaborative(Branched):
    """m peers on a shared trunk, each with a view of its own, an ensemble of their features, and their mean models.

    Loss: CE(z_t, y) + sum over peers j of [ CE(z_j, y) + w(e) T^2 KL(sg[p_t] || p_j)
    + w(e) / (m-1) sum over l != j of T^2 KL(sg[pbar_l] || p_j) ], T = 3,
    w(e) = exp(-5 (1 - e/80)^2) up to epoch 80, then 1.

    The ensemble teacher is linear: dense(concat(f_1..f_m)) on the features after pooling. Only as a target it is
    detached; its labels train all peers. The mean models, pbar_l, are moving averages of trunk and branches: after
    step g = 0, 1, .. mean <- phi mean + (1 - phi) weights with phi = min(1 - 1/(g+1), 0.999). Mean model l sees the
    view of peer l and teaches the other peers. No gradient reaches it.

    The averages are of the trained variables alone. The moving statistics of batch normalisation in the mean models
    are their own, as in the reproduction: in training they normalise with the statistics of their batch.

    The trunk runs once for every view, so that its batch normalisation sees one view at a time. For images without
    views, as in evaluation, it runs once.

    The student is a temporal-mean peer "mean_j", of the cost of the network alone. The peers themselves, and
    "ensemble" (PCL-E: the trunk, all branches and the ensemble), are reported and can be exported as well.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each peer, whose networks are equal up to the cut.
        num_peers: int, m, at least 2; the paper has 3, and a sequence its own length. The data should have as many
            views.
        temperature: positive float.
        ramp_epochs: float, the length of the ramp w(e); 0 for none.
        mean_decay: float in [0, 1), what phi rises to.
        student: "mean", "peer" or "ensemble": the networks that validation chooses the student from. The paper
            reports the first mean model, by the account of the reproduction: UNVERIFIED.
        cut: name of the tap or layer after which the branches part; None: the last stage but one.
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if there are fewer than 2 peers, an argument is out of range, or the networks cannot share their
            layers up to the cut.
    """

    only = ("classification",)
    tells_peers_apart = True

    def __init__(
        self,
        networks: Networks,
        *,
        num_peers: int = 3,
        temperature: float = 3.0,
        ramp_epochs: float = 80.0,
        mean_decay: float = 0.999,
        student: str = "mean",
        cut: str | None = None,
        **common: Any,
    ) -> None:
        if not 0.0 <= mean_decay < 1.0:
            raise ValueError(f"The decay of the mean models must lie in [0, 1). Received: mean_decay={mean_decay}.")
        if student not in ("mean", "peer", "ensemble"):
            raise ValueError(f"The student must be 'mean', 'peer' or 'ensemble'. Received: student={student!r}.")
        self.temperature = check_temperature(temperature)
        self.mean_decay = float(mean_decay)
        self.student = student
        super().__init__(networks, num_peers=num_peers, cut=cut, ramp_epochs=ramp_epochs, **common)
        means = independent_peers(several(networks, num_peers), self.seed, kind="mean")
        self.mean_trunk, self.mean_branches, means = shared_trunk(means, cut)
        for mean, peer in zip(means.values(), self.peers.values(), strict=True):
            mean.set_weights(peer.get_weights())
        self.peers.update(means)
        features = [keras.Input(embedding_of(branch.output).shape[1:]) for branch in self.branches.values()]
        x = keras.layers.Concatenate(name="ensemble_concatenate")(features)
        classes = self.peers["peer_0"].output["logits"].shape[-1]
        logits = linear(x, classes, seed=peer_seed(self.seed, len(self.branches)), name="ensemble_logits")
        self.ensemble = keras.Model(features, {"embedding": x, "logits": logits}, name="ensemble_head")
        self.peers["ensemble"] = joined(
            self.trunk, list(self.branches.values()), self.ensemble, lambda taps: taps["embedding"], name="ensemble"
        )

    @property
    def students(self) -> tuple[str, ...]:
        return tuple(name for name in self.peers if name.startswith(self.student))

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        # The mean models stay trainable layers: frozen ones would not normalise with the statistics of their batch.
        mean = {id(v) for part in (self.mean_trunk, *self.mean_branches.values()) for v in part.variables}
        return [v for v in super().trainable_variables if id(v) not in mean]

    @classmethod
    def epochs_of(cls, options: Mapping[str, Any], networks: Mapping[str, Any], epochs: int) -> Spans:
        # The mean models follow the peers.
        learning = {name: network for name, network in networks.items() if not name.startswith("mean_")}
        return super().epochs_of(options, learning, epochs)

    # The forward pass -----------------------------------------------------------------------------------------------

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        peers = self.call_branched(self.trunk, self.branches, images, training)
        means = self.call_branched(self.mean_trunk, self.mean_branches, images, training)
        features = [taps["embedding"] for taps in peers.values()]
        return {**peers, **means, "ensemble": self.ensemble(features, training=training)}

    def trunk_views(self, images: Tensor) -> list[Tensor]:
        views = 1 if len(images.shape) == 4 else min(images.shape[1], len(self.branches))
        return [self.view(images, index) for index in range(views)]

    # The losses -----------------------------------------------------------------------------------------------------

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        teacher = outputs["ensemble"]["logits"]
        means = {name: outputs[name]["logits"] for name in self.mean_branches}
        terms = {"ensemble/supervised": self.task.supervised(targets, teacher)}
        for name, own in zip(self.branches, self.mean_branches, strict=True):
            logits = outputs[name]["logits"]
            from_means = [self._divergence(targets, mean, logits) for other, mean in means.items() if other != own]
            terms[f"{name}/supervised"] = self.task.supervised(targets, logits)
            terms[f"{name}/ensemble"] = self.ramp * self._divergence(targets, teacher, logits)
            terms[f"{name}/mean"] = self.ramp * (sum(from_means) / len(from_means))
        return terms

    def _divergence(self, targets, teacher, logits):
        return self.distil(targets, ops.stop_gradient(teacher), logits, self.temperature)

    # The mean models ------------------------------------------------------------------------------------------------

    def after_step(self, targets: Targets, outputs: Outputs) -> None:
        # The optimizer has counted this step already: its number is g + 1.
        step = ops.maximum(ops.cast(self.optimizer.iterations, "float32"), 1.0)
        phi = ops.minimum(1.0 - 1.0 / step, self.mean_decay)
        parts = zip((self.mean_trunk, *self.mean_branches.values()), (self.trunk, *self.branches.values()), strict=True)
        self.follow(
            (
                (mean, trained)
                for means, weights in parts
                for mean, trained in zip(means.trainable_variables, weights.trainable_variables, strict=True)
            ),
            decay=phi,
        )
