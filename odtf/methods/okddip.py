"""OKDDip: peers whose targets are weighed by attention, and a leader that learns from all of them.

Chen, Mei, Wang, Feng, Chen, "Online Knowledge Distillation with Diverse Peers", AAAI 2020; released code:
DefangChen/OKDDip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops

from odtf.layers.initializers import linear_uniform
from odtf.losses import check_temperature
from odtf.methods.shared.branches import Branched
from odtf.methods.shared.peers import embedding_of, peer_seed

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Targets
    from odtf.methods.shared.signatures import Outputs, Terms
    from odtf.models.annotations import Networks


class OKDDip(Branched):
    """m-1 auxiliary peers, each with a target of its own from attention over all of them, and the leader "peer_0".

    Loss: sum_a CE(z_a, y) + CE(z_L, y) + alpha w(epoch) [sum_a T^2 KL(p(x_a) || p_a) + T^2 KL(p(mean_a z_a) || p_L)],
    x_a = sum_b softmax_b(<W_q h_a, W_k h_b>) z_b over the auxiliary peers b, a itself included; h is the embedding,
    W_q and W_k have an eighth of its size, no bias, and are the same for all. T = 3, alpha = 1, w the ramp of 80
    epochs.

    Nothing is detached, and that bears a load: the attention gets its gradient through the targets alone. The leader's
    divergence pulls the auxiliary peers, too. The leader is what is deployed.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, or a sequence of
            such callables, one for each peer, the leader first: equal up to the cut, or any with one size of the
            embedding where every peer is a network of its own.
        num_peers: int, at least 3: the leader and two auxiliary peers; a sequence has its own length.
        temperature: positive float.
        alpha: float, not negative: the weight of the distillation.
        form: "branch" (a shared trunk) or "network" (every peer a network of its own).
        aggregate: the `aggregate` of the divergence: "logits", the default and the released code, or "probabilities":
            the target is sum_b alpha_ab softmax(z_b / T), and the leader's the mean of softmax(z_b / T), as notes on
            the paper have it (UNVERIFIED).
        ramp_epochs: float, the length of the ramp; 0 for none.
        detach_targets: bool; True freezes the attention where it started: a check of what it is worth.
        cut: tap or layer after which the branches part; None: the last stage is the branches' own.
        **common: `task`, `seed`, `name`; see `Method`.

    Raises:
        ValueError: if there are fewer than 3 peers, their embeddings differ in size, a coefficient is out of range or a
            form unknown.
    """

    only = ("classification",)
    aggregates = True

    def __init__(
        self,
        networks: Networks,
        *,
        num_peers: int = 4,
        temperature: float = 3.0,
        alpha: float = 1.0,
        form: str = "branch",
        aggregate: str | None = None,
        ramp_epochs: float = 80,
        detach_targets: bool = False,
        cut: str | None = None,
        **common: Any,
    ) -> None:
        if alpha < 0:
            raise ValueError(f"The weight of the distillation must not be negative. Received: alpha={alpha}.")
        if form not in ("branch", "network"):
            raise ValueError(f"form must be 'branch' or 'network'. Received: {form!r}.")
        self.temperature = check_temperature(temperature)
        self.alpha = float(alpha)
        self.detach_targets = bool(detach_targets)
        super().__init__(
            networks, num_peers=num_peers, least=3, shared=form == "branch", cut=cut, ramp_epochs=ramp_epochs, **common
        )
        self.divergence.take(aggregate=aggregate)
        embeddings = [embedding_of(peer.output) for peer in self.peers.values()]
        sizes = [embedding.shape[-1] for embedding in embeddings]
        if len(set(sizes[1:])) > 1:
            raise ValueError(f"Attention needs embeddings of one size. Received: {sizes[1:]}.")
        self.attention = make_attention(embeddings[1], len(sizes) - 1, seed=peer_seed(self.seed, len(sizes)))

    @property
    def students(self) -> tuple[str, ...]:
        return ("peer_0",)

    @property
    def auxiliaries(self) -> tuple[str, ...]:
        """Names of the peers that learn from each other, all but the leader."""
        return tuple(self.peers)[1:]

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        terms = {f"{name}/supervised": self.task.supervised(targets, outputs[name]["logits"]) for name in self.peers}
        weight = self.alpha * self.ramp
        logits = [outputs[name]["logits"] for name in self.auxiliaries]
        attention = self.attention([outputs[name]["embedding"] for name in self.auxiliaries])
        for index, name in enumerate(self.auxiliaries):
            target = self._target(logits, [attention[:, index, b, None] for b in range(len(logits))])
            soft = self.distil(targets, target, outputs[name]["logits"], self.temperature)
            terms[f"{name}/distillation"] = weight * soft
        target = self._target(logits, [1.0 / len(logits)] * len(logits))
        soft = self.distil(targets, target, outputs["peer_0"]["logits"], self.temperature)
        return {**terms, "peer_0/distillation": weight * soft}

    def _target(self, logits, weights):
        """Returns the logits of the weighted mean of the peers' logits, or of their probabilities."""
        target = self.divergence.mean(logits, weights, self.temperature)
        return ops.stop_gradient(target) if self.detach_targets else target


def make_attention(embedding, num_auxiliaries, seed):
    """Builds the attention among the auxiliary peers.

    Args:
        embedding: KerasTensor `[batch, features]`.
        num_auxiliaries: int, n.
        seed: int, seeds the two projections.

    Returns:
        `keras.Model` from the list of n embeddings to float32 weights `[batch, n, n]`: how much peer b (last axis)
        counts in the target of peer a; they sum to 1 over b. There is no division by the root of the size.
    """
    features = embedding.shape[-1]
    inputs = [keras.Input((features,), dtype=embedding.dtype) for _ in range(num_auxiliaries)]
    query, key = (
        layers.Dense(
            max(1, features // 8),
            use_bias=False,
            kernel_initializer=linear_uniform(features, seed + i),
            dtype="float32",
            name=name,
        )
        for i, name in enumerate(("query", "key"))
    )
    queries = ops.stack([query(x) for x in inputs], axis=1)
    keys = ops.stack([key(x) for x in inputs], axis=1)
    scores = ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))
    return keras.Model(inputs, ops.softmax(scores, axis=-1), name="attention")
