"""Deep mutual learning: peers teach each other, without a teacher.

Zhang, Xiang, Hospedales, Lu, "Deep Mutual Learning", CVPR 2018.
"""

from keras import ops

from odtf.losses import check_temperature, cross_entropy, kl_divergence
from odtf.methods.base import Method
from odtf.methods.shared.peers import independent_peers


class DeepMutualLearning(Method):
    """m independent networks; each follows the labels and the mean divergence from every other.

    Loss of peer i: CE(z_i, y) + 1/(m-1) sum over j != i of T^2 KL(sg[p_j] || p_i), T = 1 in the paper.

    All peers are updated at once from the predictions of one forward pass; the paper's algorithm refreshes them in
    turn, and its authors count both as the method. The released code sums over j instead of taking the mean.

    Args:
        network: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each peer.
        num_peers: int, at least 2; ignored where `network` is a sequence.
        temperature: positive float.
        seed: int; every peer is initialised with a seed of its own, derived from this one.
        weight_decay: float, see `Method`.
        label_smoothing: float, see `Method`.

    Raises:
        ValueError: if there are fewer than 2 peers, or the temperature is not positive.
    """

    def __init__(
        self, network, *, num_peers=2, temperature=1.0, seed=0, weight_decay=0.0, label_smoothing=0.0, name="dml"
    ):
        networks = [network] * num_peers if callable(network) else list(network)
        if len(networks) < 2:
            raise ValueError(f"Mutual learning needs at least 2 peers. Received: num_peers={len(networks)}.")
        self.temperature = check_temperature(temperature)
        peers = independent_peers(networks, seed)
        super().__init__(peers, weight_decay=weight_decay, label_smoothing=label_smoothing, name=name)

    def loss_terms(self, labels, outputs):
        terms = {}
        for name in self.peers:
            logits = outputs[name]["logits"]
            others = [ops.stop_gradient(outputs[other]["logits"]) for other in self.peers if other != name]
            divergences = [kl_divergence(other, logits, self.temperature) for other in others]
            terms[f"{name}/cross_entropy"] = cross_entropy(labels, logits, self.label_smoothing)
            terms[f"{name}/mutual"] = sum(divergences) / len(others)
        return terms
