"""No distillation: the baseline that every other method is measured against."""

from odtf.losses import cross_entropy
from odtf.methods.base import Method, peer_seed


class Solo(Method):
    """One network, trained on the labels alone.

    Loss: CE(z, y).

    Args:
        network: callable `network(seed=int, name=str)` that returns the network with its named taps.
        seed: int, seeds the initialisation.
        weight_decay: float, see `Method`.
        label_smoothing: float, see `Method`.
    """

    def __init__(self, network, *, seed=0, weight_decay=0.0, label_smoothing=0.0, name="solo"):
        peers = {"peer_0": network(seed=peer_seed(seed, 0), name="peer_0")}
        super().__init__(peers, weight_decay=weight_decay, label_smoothing=label_smoothing, name=name)

    def loss_terms(self, labels, outputs):
        logits = outputs["peer_0"]["logits"]
        return {"peer_0/cross_entropy": cross_entropy(labels, logits, self.label_smoothing)}
