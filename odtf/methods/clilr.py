"""CL-ILR: heads on shared layers teach each other, and share the load on what they share.

Song, Chai, "Collaborative Learning for Deep Neural Networks", NeurIPS 2018; the form implemented by default is that of
OKDDip's released code (train_one.py, options avg and bpscale).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

from odtf.losses import check_temperature
from odtf.methods.shared.branches import Branched, leave_one_out

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import keras

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Terms
    from odtf.models.annotations import Networks


class CLILR(Branched):
    """m heads; each follows the labels and the mean logits of the other heads.

    Loss: sum_i CE(z_i, y) + alpha w(epoch) sum_i T^2 KL(p(mean_{j != i} z_j) || p_i), with m = 4, alpha = 1, T = 3 and
    w the ramp of 80 epochs. The targets are not detached, as in OKDDip's code.

    Where the heads part, the gradient into the shared layers is divided by m: these learn at the rate of a network
    with one head.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each peer, whose networks are equal up to the cut.
        num_peers: int, at least 2; a sequence has its own length.
        temperature: positive float.
        alpha: float, not negative: the weight of the distillation.
        beta: None, or a float in [0, 1] for the form beta CE + (1 - beta) T^2 KL of the paper, with beta = 0.5, T = 2
            and no ramp. These values are UNVERIFIED. `alpha` and `ramp_epochs` count there as well.
        ramp_epochs: float, the length of the ramp; 0 for none.
        detach_targets: bool; True makes the other heads' mean a constant in a head's divergence.
        scale_gradient: bool; False leaves the gradient into the shared layers as it is.
        cut: tap or layer after which the heads part; None: the last stage is the heads' own. The paper splits at
            several depths; here there is one split.
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if there are fewer than 2 peers, or a coefficient is out of range.
    """

    only = ("classification",)

    def __init__(
        self,
        networks: Networks,
        *,
        num_peers: int = 4,
        temperature: float = 3.0,
        alpha: float = 1.0,
        beta: float | None = None,
        ramp_epochs: float = 80,
        detach_targets: bool = False,
        scale_gradient: bool = True,
        cut: str | None = None,
        **common: Any,
    ) -> None:
        if alpha < 0:
            raise ValueError(f"The weight of the distillation must not be negative. Received: alpha={alpha}.")
        if beta is not None and not 0 <= beta <= 1:
            raise ValueError(f"The share of the labels must lie in [0, 1], or be None. Received: beta={beta}.")
        self.temperature = check_temperature(temperature)
        self.label_weight = 1.0 if beta is None else float(beta)
        self.soft_weight = float(alpha) * (1.0 if beta is None else 1.0 - beta)
        self.detach_targets = bool(detach_targets)
        self.scale_gradient = bool(scale_gradient)
        super().__init__(networks, num_peers=num_peers, cut=cut, ramp_epochs=ramp_epochs, **common)

    def call_branches(self, branches: Mapping[str, keras.Model], cut: Tensor, training: bool) -> Outputs:
        cut = with_scaled_gradient(cut, 1.0 / len(self.branches)) if self.scale_gradient else cut
        return super().call_branches(branches, cut, training)

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        logits = [outputs[name]["logits"] for name in self.branches]
        terms = {}
        for name, own, others in zip(self.branches, logits, leave_one_out(logits), strict=True):
            target = ops.stop_gradient(others) if self.detach_targets else others
            divergence = self.distil(targets, target, own, self.temperature)
            terms[f"{name}/supervised"] = self.label_weight * self.task.supervised(targets, own)
            terms[f"{name}/distillation"] = self.soft_weight * self.ramp * divergence
        return terms


def with_scaled_gradient(x, factor):
    """Returns `x` itself; the gradient that flows back through it is multiplied by `factor`.

    Args:
        x: float tensor.
        factor: float.

    Returns:
        Tensor equal to `x`, bit by bit.
    """

    @ops.custom_gradient
    def identity(value):
        def gradient(*args, upstream=None):
            (upstream,) = args if upstream is None else (upstream,)
            return upstream * factor

        return value, gradient

    return identity(x)
