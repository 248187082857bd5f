"""Feature fusion learning (FFL): branches and the classifier on their fused maps teach each other.

Kim, Hyun, Chung, Kwak, "Feature Fusion for Online Mutual Knowledge Distillation", arXiv 1904.09058, ICPR 2020;
released code: Jangho-Kim/FFL-pytorch.
"""

import keras
from keras import ops

from odtf.losses import check_temperature, cross_entropy, kl_divergence
from odtf.methods.base import Method
from odtf.methods.shared.fusion import fusion_module, joined, last_stage_but_one
from odtf.methods.shared.groups import Group
from odtf.methods.shared.peers import last_map, peer_seed
from odtf.methods.shared.ramps import sigmoid_ramp
from odtf.models.share import share_trunk


class FeatureFusion(Method):
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
        network: callable `network(seed=int, name=str)` that returns a network with taps "stageN" and "logits"; or a
            sequence of such callables, one for each branch, which may differ and then share nothing.
        num_peers: int, the number of branches, at least 2 as in the released code; ignored for a sequence.
        temperature: positive float.
        ramp_epochs: float, the length of the ramp w(e); 0 for none.
        student: "single" or "fused", the product that validation chooses the student from.
        cut: name of the tap or layer after which the branches part; None: the last stage but one, as released.
        fusion_weight_decay: float, the coupled weight decay of the fusion module.
        synchronized: bool, whether the fusion module's batch normalisation spans all replicas.
        seed: int; every branch is initialised with a seed of its own, derived from this one.
        weight_decay: float, of trunk and branches, see `Method`.
        label_smoothing: float, see `Method`.

    Raises:
        ValueError: if there are fewer than 2 branches, the student is of no known kind, or the networks cannot share
            their layers up to the cut.
    """

    def __init__(
        self,
        network,
        *,
        num_peers=2,
        temperature=3.0,
        ramp_epochs=80.0,
        student="single",
        cut=None,
        fusion_weight_decay=1e-5,
        synchronized=False,
        seed=0,
        weight_decay=0.0,
        label_smoothing=0.0,
        name="ffl",
    ):
        makers = [network] * num_peers if callable(network) else list(network)
        if len(makers) < 2:
            raise ValueError(f"Feature fusion needs at least 2 branches. Received: num_peers={len(makers)}.")
        if student not in ("single", "fused"):
            raise ValueError(f"The student must be 'single' or 'fused'. Received: student={student!r}.")
        networks = [make(seed=peer_seed(seed, i), name=f"peer_{i}") for i, make in enumerate(makers)]
        if callable(network):
            trunk, branches, networks = share_trunk(networks, cut or last_stage_but_one(networks[0]))
        else:
            trunk, branches = keras.Model(networks[0].input, {"cut": networks[0].input}, name="trunk"), list(networks)
        maps = [last_map(each.output) for each in networks]
        classes = networks[0].output["logits"].shape[-1]
        fusion = fusion_module(maps, classes, seed=peer_seed(seed, len(makers)), synchronized=synchronized)
        peers = {f"peer_{i}": each for i, each in enumerate(networks)}
        peers["fused"] = joined(trunk, branches, fusion, last_map, name="fused")
        super().__init__(peers, weight_decay=weight_decay, label_smoothing=label_smoothing, name=name)
        self.trunk, self.branches, self.fusion = trunk, branches, fusion
        self.temperature = check_temperature(temperature)
        self.ramp_epochs = float(ramp_epochs)
        self.student = student
        self.fusion_weight_decay = float(fusion_weight_decay)

    @property
    def students(self):
        return ("fused",) if self.student == "fused" else tuple(name for name in self.peers if name != "fused")

    def groups(self):
        return [Group(self.fusion.trainable_variables, weight_decay=self.fusion_weight_decay)]

    def call(self, images, training=False):
        shared = self.trunk(self.view(images, 0), training=training)
        cut = shared.pop("cut")
        outputs = {f"peer_{i}": {**shared, **branch(cut, training=training)} for i, branch in enumerate(self.branches)}
        return {**outputs, "fused": self.fusion([last_map(taps) for taps in outputs.values()], training=training)}

    def loss_terms(self, labels, outputs):
        weight = sigmoid_ramp(self.epoch, self.ramp_epochs)
        logits = {name: taps["logits"] for name, taps in outputs.items()}
        fused = logits["fused"]
        branches = [z for name, z in logits.items() if name != "fused"]
        targets = dict.fromkeys(logits, fused) | {"fused": sum(branches) / len(branches)}
        terms = {}
        for name, z in logits.items():
            target = ops.stop_gradient(targets[name])
            terms[f"{name}/cross_entropy"] = cross_entropy(labels, z, self.label_smoothing)
            terms[f"{name}/distillation"] = weight * kl_divergence(target, z, self.temperature)
        return terms
