"""Base of methods whose peers share their first layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtf.methods.base import Method
from odtf.methods.shared.fusion import last_stage_but_one
from odtf.methods.shared.peers import check_answers, independent_peers, several
from odtf.methods.shared.ramps import sigmoid_ramp
from odtf.models.share import share_trunk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import keras

    from odtf.losses.tensors import Tensor
    from odtf.methods.shared.signatures import Outputs
    from odtf.models.annotations import Networks


class Branched(Method):
    """Peers that share a trunk, which runs once in a step; or, with `shared=False`, nothing at all.

    The taps of a peer are those of the trunk, "cut" (the tensor at which the branches part) and those of its branch.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each peer, whose networks are equal up to the cut.
        num_peers: int; a sequence has its own length.
        least: int, the fewest peers that the method takes.
        shared: bool; False makes every peer a network of its own.
        cut: name of the tap or layer after which the branches part; None: the last tap "stageN" but one, so that each
            branch has the last stage and the classifier to itself.
        ramp_epochs: float, in how many epochs `ramp` rises to 1; 0: it is 1 throughout.
        **common: `task`, `seed`, `synchronized`, `name`; see `Method`. The trunk starts as that of the first network.

    Raises:
        ValueError: if there are fewer peers, their answers differ in shape, the ramp is negative, or there is nothing
            to share.
    """

    # A network; None where nothing is shared.
    trunk: Any

    def __init__(
        self,
        networks: Networks,
        *,
        num_peers: int,
        least: int = 2,
        shared: bool = True,
        cut: str | None = None,
        ramp_epochs: float = 0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        sigmoid_ramp(0, ramp_epochs)  # It judges the length.
        self.ramp_epochs = float(ramp_epochs)
        peers = independent_peers(several(networks, num_peers, least), self.seed)
        check_answers(peers, self.task)
        # What follows the trunk, or the whole peer where there is none.
        trunk, branches, peers = shared_trunk(peers, cut) if shared else (None, dict(peers), peers)
        self.peers, self.trunk, self.branches = peers, trunk, branches

    @property
    def ramp(self) -> float | Tensor:
        """The weight of the distillation in the running epoch, a float32 scalar."""
        return sigmoid_ramp(self.epoch, self.ramp_epochs) if self.ramp_epochs else 1.0

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        if self.trunk is None:
            outputs = {
                name: network(self.view(images, index), training=training)
                for index, (name, network) in enumerate(self.branches.items())
            }
        else:
            outputs = self.call_branched(self.trunk, self.branches, images, training)
        teacher = self.call_teacher(outputs, training)
        return outputs if teacher is None else {**outputs, "teacher": teacher}

    def call_branched(
        self, trunk: keras.Model, branches: Mapping[str, keras.Model], images: Tensor, training: bool
    ) -> Outputs:
        """Runs a trunk once for every view, and every branch once: branch i goes on from view i, modulo their number.

        Returns:
            dict from the name of each branch to its taps and those of the trunk.
        """
        views = self.trunk_views(images)
        outputs = {}
        for index, view in enumerate(views):
            shared = trunk(view, training=training)
            own = dict(list(branches.items())[index :: len(views)])
            for name, taps in self.call_branches(own, shared["cut"], training).items():
                outputs[name] = {**shared, **taps}
        return {name: outputs[name] for name in branches}

    def trunk_views(self, images: Tensor) -> list[Tensor]:
        """Returns the views of the images that a trunk sees, a list: the first one alone, for all branches."""
        return [self.view(images, 0)]

    def call_branches(self, branches: Mapping[str, keras.Model], cut: Tensor, training: bool) -> Outputs:
        """Runs branches once each, from the tensor at the cut.

        Returns:
            dict from the name of each branch to its taps.
        """
        return {name: branch(cut, training=training) for name, branch in branches.items()}


def shared_trunk(peers, cut=None):
    """Lets peers share their first layers, see `odtf.models.share.share_trunk`.

    Args:
        peers: mapping from name to network, equal up to the cut.
        cut: name of the tap or layer after which they part; None: the last tap "stageN" but one.

    Returns:
        (trunk, branches, peers), the latter two dicts by the peers' names.
    """
    networks = list(peers.values())
    trunk, *parts = share_trunk(networks, cut or last_stage_but_one(networks[0]))
    return trunk, *(dict(zip(peers, part, strict=True)) for part in parts)


def leave_one_out(tensors):
    """Returns, for each of the tensors, the mean of all others."""
    total = sum(tensors)
    return [(total - tensor) / (len(tensors) - 1) for tensor in tensors]
