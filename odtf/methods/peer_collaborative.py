"""Peer collaborative learning (PCL): branches taught by their ensemble and by moving averages of each other.

Wu, Gong, "Peer Collaborative Learning for Online Knowledge Distillation", arXiv 2006.04147, AAAI 2021. There is no
official code; the unofficial reproduction is shaoeric/Peer-Collaborative-Learning-for-Online-Knowledge-Distillation.
"""

import keras
from keras import ops

from odtf.losses import check_temperature, cross_entropy, kl_divergence
from odtf.methods.base import Method
from odtf.methods.shared.fusion import joined, last_stage_but_one, linear
from odtf.methods.shared.peers import peer_seed
from odtf.methods.shared.ramps import sigmoid_ramp
from odtf.models.share import share_trunk


class PeerCollaborative(Method):
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
        network: callable `network(seed=int, name=str)` that returns a network with taps "stageN", "embedding" and
            "logits".
        num_peers: int, m, at least 2; the paper has 3. The data should have as many views.
        temperature: positive float.
        ramp_epochs: float, the length of the ramp w(e); 0 for none.
        mean_decay: float in [0, 1), what phi rises to.
        student: "mean", "peer" or "ensemble": the networks that validation chooses the student from. The paper
            reports the first mean model, by the account of the reproduction: UNVERIFIED.
        cut: name of the tap or layer after which the branches part; None: the last stage but one.
        seed: int; every branch is initialised with a seed of its own, derived from this one.
        weight_decay: float, see `Method`.
        label_smoothing: float, see `Method`.

    Raises:
        ValueError: if there are fewer than 2 peers, an argument is out of range, or the networks cannot share their
            layers up to the cut.
    """

    def __init__(
        self,
        network,
        *,
        num_peers=3,
        temperature=3.0,
        ramp_epochs=80.0,
        mean_decay=0.999,
        student="mean",
        cut=None,
        seed=0,
        weight_decay=0.0,
        label_smoothing=0.0,
        name="pcl",
    ):
        if num_peers < 2:
            raise ValueError(f"Peers that collaborate are at least 2. Received: num_peers={num_peers}.")
        if not 0.0 <= mean_decay < 1.0:
            raise ValueError(f"The decay of the mean models must lie in [0, 1). Received: mean_decay={mean_decay}.")
        if student not in ("mean", "peer", "ensemble"):
            raise ValueError(f"The student must be 'mean', 'peer' or 'ensemble'. Received: student={student!r}.")

        def cohort(kind):
            networks = [network(seed=peer_seed(seed, i), name=f"{kind}_{i}") for i in range(num_peers)]
            return share_trunk(networks, cut or last_stage_but_one(networks[0]))

        trunk, branches, peers = cohort("peer")
        mean_trunk, mean_branches, mean_peers = cohort("mean")
        for mean, peer in zip(mean_peers, peers, strict=True):
            mean.set_weights(peer.get_weights())
        features = [keras.Input(branch.output["embedding"].shape[1:]) for branch in branches]
        x = keras.layers.Concatenate(name="ensemble_concatenate")(features)
        logits = linear(x, peers[0].output["logits"].shape[-1], seed=peer_seed(seed, num_peers), name="ensemble_logits")
        ensemble = keras.Model(features, {"embedding": x, "logits": logits}, name="ensemble_head")
        whole = joined(trunk, branches, ensemble, lambda taps: taps["embedding"], name="ensemble")
        super().__init__(
            {network.name: network for network in (*peers, *mean_peers, whole)},
            weight_decay=weight_decay,
            label_smoothing=label_smoothing,
            name=name,
        )
        self.trunk, self.branches, self.ensemble = trunk, branches, ensemble
        self.mean_trunk, self.mean_branches = mean_trunk, mean_branches
        self.num_peers = num_peers
        self.temperature = check_temperature(temperature)
        self.ramp_epochs = float(ramp_epochs)
        self.mean_decay = float(mean_decay)
        self.student = student

    @property
    def students(self):
        return tuple(name for name in self.peers if name.startswith(self.student))

    @property
    def trainable_variables(self):
        # The mean models stay trainable layers: frozen ones would not normalise with the statistics of their batch.
        mean = {id(v) for part in (self.mean_trunk, *self.mean_branches) for v in part.variables}
        return [v for v in super().trainable_variables if id(v) not in mean]

    @classmethod
    def epochs_of(cls, options, networks, epochs):
        # The mean models follow the peers.
        learning = {name: network for name, network in networks.items() if not name.startswith("mean_")}
        return super().epochs_of(options, learning, epochs)

    # The forward pass -----------------------------------------------------------------------------------------------

    def call(self, images, training=False):
        peers = self._branches("peer", self.trunk, self.branches, images, training)
        means = self._branches("mean", self.mean_trunk, self.mean_branches, images, training)
        features = [taps["embedding"] for taps in peers.values()]
        return {**peers, **means, "ensemble": self.ensemble(features, training=training)}

    def _branches(self, kind, trunk, branches, images, training):
        """Runs the trunk once for every view, and every branch once, on its own view."""
        views = 1 if len(images.shape) == 4 else min(images.shape[1], len(branches))
        shared = [trunk(self.view(images, i), training=training) for i in range(views)]
        outputs = {}
        for i, branch in enumerate(branches):
            taps = dict(shared[i % views])
            cut = taps.pop("cut")
            outputs[f"{kind}_{i}"] = {**taps, **branch(cut, training=training)}
        return outputs

    # The losses -----------------------------------------------------------------------------------------------------

    def loss_terms(self, labels, outputs):
        weight = sigmoid_ramp(self.epoch, self.ramp_epochs)
        teacher = outputs["ensemble"]["logits"]
        terms = {"ensemble/cross_entropy": cross_entropy(labels, teacher, self.label_smoothing)}
        for j in range(self.num_peers):
            logits = outputs[f"peer_{j}"]["logits"]
            means = [outputs[f"mean_{i}"]["logits"] for i in range(self.num_peers) if i != j]
            from_means = sum(self._divergence(mean, logits) for mean in means) / len(means)
            terms[f"peer_{j}/cross_entropy"] = cross_entropy(labels, logits, self.label_smoothing)
            terms[f"peer_{j}/ensemble"] = weight * self._divergence(teacher, logits)
            terms[f"peer_{j}/mean"] = weight * from_means
        return terms

    def _divergence(self, target, logits):
        return kl_divergence(ops.stop_gradient(target), logits, self.temperature)

    # The mean models ------------------------------------------------------------------------------------------------

    def after_step(self, labels, outputs):
        # The optimizer has counted this step already: its number is g + 1.
        step = ops.maximum(ops.cast(self.optimizer.iterations, "float32"), 1.0)
        phi = ops.minimum(1.0 - 1.0 / step, self.mean_decay)
        parts = zip((self.mean_trunk, *self.mean_branches), (self.trunk, *self.branches), strict=True)
        self.follow(
            (
                (mean, trained)
                for means, weights in parts
                for mean, trained in zip(means.trainable_variables, weights.trainable_variables, strict=True)
            ),
            decay=phi,
        )
