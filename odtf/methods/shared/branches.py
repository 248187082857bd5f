"""What the methods have in common whose peers share their first layers."""

from odtf.methods.base import Method
from odtf.methods.shared.fusion import last_stage_but_one
from odtf.methods.shared.peers import peer_seed
from odtf.methods.shared.ramps import sigmoid_ramp
from odtf.models.share import share_trunk


class Branched(Method):
    """Peers that share a trunk, which runs once in a step; or, with `shared=False`, nothing at all.

    The taps of a peer are those of the trunk, "cut" (the tensor at which the branches part) and those of its branch.

    Args:
        network: callable `network(seed=int, name=str)` that returns a network with its named taps.
        num_peers: int, at least 2.
        shared: bool; False makes every peer a network of its own.
        cut: name of the tap or layer after which the branches part; None: the last tap "stageN" but one, so that each
            branch has the last stage and the classifier to itself.
        ramp_epochs: float, in how many epochs `ramp` rises to 1; 0: it is 1 throughout.
        seed: int; every peer is initialised with a seed of its own, derived from this one; the trunk is that of the
            first.
        weight_decay: float, see `Method`.
        label_smoothing: float, see `Method`.

    Raises:
        ValueError: if there are fewer than 2 peers, the ramp is negative, or there is nothing to share.
    """

    def __init__(
        self,
        network,
        *,
        num_peers,
        shared=True,
        cut=None,
        ramp_epochs=0,
        seed=0,
        weight_decay=0.0,
        label_smoothing=0.0,
        name=None,
    ):
        if num_peers < 2:
            raise ValueError(f"Online distillation needs at least 2 peers. Received: num_peers={num_peers}.")
        sigmoid_ramp(0, ramp_epochs)  # It judges the length.
        networks = [network(seed=peer_seed(seed, i), name=f"peer_{i}") for i in range(num_peers)]
        trunk, branches = None, networks
        if shared:
            trunk, branches, networks = share_trunk(networks, cut or last_stage_but_one(networks[0]))
        peers = {peer.name: peer for peer in networks}
        super().__init__(peers, weight_decay=weight_decay, label_smoothing=label_smoothing, name=name)
        self.ramp_epochs = float(ramp_epochs)
        self.trunk = trunk
        # What follows the trunk, or the whole peer where there is none.
        self.branches = dict(zip(peers, branches, strict=True))

    @property
    def ramp(self):
        """The weight of the distillation in the running epoch, a float32 scalar."""
        return sigmoid_ramp(self.epoch, self.ramp_epochs) if self.ramp_epochs else 1.0

    def split(self, cut):
        """Returns what the branches get from the tensor at the cut."""
        return cut

    def call(self, images, training=False):
        if self.trunk is None:
            outputs = {
                name: network(self.view(images, index), training=training)
                for index, (name, network) in enumerate(self.branches.items())
            }
        else:
            shared = self.trunk(self.view(images, 0), training=training)
            cut = self.split(shared["cut"])
            outputs = {name: {**shared, **branch(cut, training=training)} for name, branch in self.branches.items()}
        teacher = self.call_teacher(outputs, training)
        return outputs if teacher is None else {**outputs, "teacher": teacher}


def leave_one_out(tensors):
    """Returns, for each of the tensors, the mean of all others."""
    total = sum(tensors)
    return [(total - tensor) / (len(tensors) - 1) for tensor in tensors]
