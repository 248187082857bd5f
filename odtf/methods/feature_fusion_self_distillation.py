"""Feature fusion and self-distillation (FFSD): common students, their fusion, and a leader that learns from it.

Li, Lin, Wang, Wu, Tian, Shao, Ji, "Distilling a Powerful Student Model via Online Knowledge Distillation",
arXiv 2103.14473, IEEE TNNLS 2022; released code: SJLeo/FFSD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

from odtf.losses import attention_transfer, check_temperature
from odtf.methods.base import Method
from odtf.methods.shared import self_distillation as sd
from odtf.methods.shared.fusion import expansion_head, fusion_module
from odtf.methods.shared.peers import last_map, peer_seed
from odtf.methods.shared.players import Player
from odtf.methods.shared.ramps import sigmoid_ramp
from odtf.methods.shared.rates import ONE_LOSS_SCALE, Scaled

if TYPE_CHECKING:
    from typing import Any

    from odtf.losses.tensors import Targets, Tensor
    from odtf.methods.shared.signatures import Outputs, Taps, Terms
    from odtf.models.annotations import Network


class FeatureFusionSelfDistillation(Method):
    """M common students teach each other, a fusion module learns from them, and a leader from the fusion module.

    All is trained at once; what is learned flows one way, from the students to the fusion and on to the leader: every
    target, and the input of the fusion, is detached. T = 2; AT is the attention transfer of `odtf.losses`; F^1..F^L
    are the taps "stageN". Losses:

        student i   CE + 1/(M-1) sum over j != i of T^2 KL(sg[p_j] || p_i), and for i >= 1
                    diversity (DIV(F_i^L, sg[F_{i-1}^L]) + sum over l < L of AT(sg[S_i(shift(F_{i-1}^L))^l], F_i^l))
        fusion f    CE + T^2 KL(sg[softmax(mean_i z_i / T)] || p_f)
        leader      CE + T^2 KL(sg[p_f] || p) + fusion (AT(sg[F_f], F^L) + AT(sg[concat_i F_i^L], G(F^L))
                    + sum over l < L of AT(sg[S(F_f)^l], F^l))
        S_i, S      transform sum over l < L of (mean (n(S(F^L)^l) - n(F^l))^2 + AT(F^l, S(F^L)^l)), F detached

    The self-distillation transforms S lead from the deepest map back to the shallower ones: transposed convolutions
    with an optimizer of their own, Adam at 1e-3 times (main rate / `base_rate`). G is the leader's trans-fusion head.
    `diversity`, `fusion` and `transform` rise over the first epochs e = 1, 2, .. as exp(-5 (1 - e/5)^2). The weight
    of the students' side of self-distillation is `diversity` and `fusion`: `transform` (the released code calls it
    lambda_self_distillation) trains the transforms alone.

    Deviations: all networks start as those of `odtf.models` do (fan-in), the released ones by fan-out.

    Args:
        networks: callable `network(seed=int, name=str)` that returns a network with its named taps, each "stageN" of
            half the resolution of the one before.
        num_peers: int, the number M of common students, at least 2 as in the released code; the leader is another.
        temperature: positive float. 2 is the released code's; the paper's text is UNVERIFIED.
        diversity, fusion, transform: floats, the coefficients (lambda) above.
        warmup_epochs: float, how long the coefficients rise; 0 for not at all.
        attention_shift: "released" mixes attention of unit norm with the norm it had before, as the released code
            does, which made the published numbers and looks like a mistake; "raw" shifts the attention as it is.
            Which one the paper's equation states is UNVERIFIED; that "raw" compares raw attention in DIV as well is a
            DESIGN CHOICE.
        trans_fusion: bool, whether the leader has the head G and its term; the framework's figure omits it.
        base_rate: positive float, the main learning rate before it decays.
        fusion_weight_decay: float, the coupled weight decay of the fusion module.
        transform_weight_decay: float, of the transforms.
        **common: `task`, `seed`, `synchronized`, `name`; see `Method`.

    Raises:
        ValueError: if there are fewer than 2 common students, `attention_shift` is unknown, the rate is not positive,
            the network's stages do not halve the resolution, or the precision is mixed_float16.
    """

    only = ("classification",)

    def __init__(
        self,
        networks: Network,
        *,
        num_peers: int = 2,
        temperature: float = 2.0,
        diversity: float = 1e-5,
        fusion: float = 10.0,
        transform: float = 1000.0,
        warmup_epochs: float = 5.0,
        attention_shift: str = "released",
        trans_fusion: bool = True,
        base_rate: float = 0.1,
        fusion_weight_decay: float = 1e-5,
        transform_weight_decay: float = 1e-4,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if num_peers < 2:
            raise ValueError(f"Fusion needs at least 2 common students. Received: num_peers={num_peers}.")
        if attention_shift not in ("released", "raw"):
            raise ValueError(f"attention_shift must be 'released' or 'raw'. Received: {attention_shift!r}.")
        if not base_rate > 0:
            raise ValueError(f"The main learning rate must be positive. Received: base_rate={base_rate}.")
        if keras.config.dtype_policy().name == "mixed_float16":
            raise ValueError(ONE_LOSS_SCALE)  # The transforms have an optimizer of their own.
        self.temperature = check_temperature(temperature)
        self.coefficients = {"diversity": float(diversity), "fusion": float(fusion), "transform": float(transform)}
        self.warmup_epochs = float(warmup_epochs)
        self.attention_shift = attention_shift
        self.base_rate = float(base_rate)
        self.weight_decays = {"fusion": float(fusion_weight_decay), "transforms": float(transform_weight_decay)}
        names = [*(f"peer_{i}" for i in range(num_peers)), "leader"]
        self.peers = {key: networks(seed=peer_seed(self.seed, i), name=key) for i, key in enumerate(names)}
        taps = self.peers["leader"].output
        maps = [last_map(taps)] * num_peers
        seeds = [peer_seed(self.seed, num_peers + 1 + i) for i in range(num_peers + 2)]
        sync = self.synchronized
        self.fusion = fusion_module(maps, taps["logits"].shape[-1], seed=seeds[0], synchronized=sync)
        self.expansion = expansion_head(maps, seed=seeds[1], synchronized=sync) if trans_fusion else None
        self.transforms = {
            key: sd.transform_model(taps, seed=seed, synchronized=sync, name=f"{key}_transform")
            for key, seed in zip(names[1:], seeds[2:], strict=True)
        }

    @property
    def students(self) -> tuple[str, ...]:
        return ("leader",)

    @property
    def common(self) -> tuple[str, ...]:
        """Names of the common students."""
        return tuple(name for name in self.peers if name != "leader")

    def players(self) -> list[Player]:
        optimizer: Any = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        rate = optimizer.get_config()["learning_rate"]
        main = keras.optimizers.schedules.deserialize(rate) if isinstance(rate, dict) else rate
        return [
            Player("fusion", self.fusion.trainable_variables, weight_decay=self.weight_decays["fusion"]),
            Player(
                "transforms",
                [v for transform in self.transforms.values() for v in transform.trainable_variables],
                weight_decay=self.weight_decays["transforms"],
                optimizer=keras.optimizers.Adam(Scaled(main, 1e-3 / self.base_rate), epsilon=1e-8),
            ),
        ]

    # The forward pass -----------------------------------------------------------------------------------------------

    def call_teacher(self, outputs: Outputs, training: bool) -> Taps:
        return self.fusion([ops.stop_gradient(last_map(outputs[name])) for name in self.common], training=training)

    def call(self, images: Tensor, training: bool = False) -> Outputs:
        outputs = super().call(images, training)
        return self.complete(outputs, training) if training else outputs

    def complete(self, outputs: Outputs, training: bool) -> Outputs:
        outputs = dict(outputs)
        if self.expansion is not None:
            outputs["leader"] = {
                **outputs["leader"],
                "expanded": self.expansion(last_map(outputs["leader"]), training=training),
            }
        sources = {
            name: sd.shift_attention(last_map(outputs[before]), self.attention_shift)
            for before, name in zip(self.common, self.common[1:], strict=False)
        }
        sources["leader"] = outputs["teacher"]["map"]
        for name, transform in self.transforms.items():
            # The transform teaches with its moving statistics, and learns with those of the batch.
            taught = transform(ops.stop_gradient(sources[name]), training=False)
            learned = transform(ops.stop_gradient(last_map(outputs[name])), training=training)
            outputs[name] = {**outputs[name], "expected": taught, "rebuilt": learned}
        return outputs

    # The losses -----------------------------------------------------------------------------------------------------

    def loss_terms(self, targets: Targets, outputs: Outputs) -> Terms:
        rise = sigmoid_ramp(self.epoch + 1.0, self.warmup_epochs)
        weights = {key: rise * value for key, value in self.coefficients.items()}
        terms = {f"{name}/supervised": self.task.supervised(targets, taps["logits"]) for name, taps in outputs.items()}
        for part in (self._students, self._leader, self._transforms):
            terms |= part(targets, outputs, weights)
        return terms

    def _divergence(self, targets, teacher, learner):
        return self.distil(targets, ops.stop_gradient(teacher), learner["logits"], self.temperature)

    def _students(self, targets, outputs, weights):
        students = [outputs[name] for name in self.common]
        terms = {}
        for i, (name, student) in enumerate(zip(self.common, students, strict=True)):
            others = [other["logits"] for other in students if other is not student]
            divergences = [self._divergence(targets, other, student) for other in others]
            terms[f"{name}/mutual"] = sum(divergences) / len(others)
            if i:
                before = ops.stop_gradient(last_map(students[i - 1]))
                distance = sd.attention_diversity(before, last_map(student), self.attention_shift)
                terms[f"{name}/diversity"] = weights["diversity"] * distance
                terms[f"{name}/self_distillation"] = weights["diversity"] * sd.self_distillation(student)
        ensemble = sum(student["logits"] for student in students) / len(students)
        return {**terms, "teacher/distillation": self._divergence(targets, ensemble, outputs["teacher"])}

    def _leader(self, targets, outputs, weights):
        leader, teacher = outputs["leader"], outputs["teacher"]
        terms = {
            "distillation": self._divergence(targets, teacher["logits"], leader),
            "fusion": weights["fusion"] * attention_transfer(ops.stop_gradient(teacher["map"]), last_map(leader)),
            "self_distillation": weights["fusion"] * sd.self_distillation(leader),
        }
        if self.expansion is not None:
            joint = ops.concatenate([ops.stop_gradient(last_map(outputs[name])) for name in self.common], axis=-1)
            terms["trans_fusion"] = weights["fusion"] * attention_transfer(joint, leader["expanded"])
        return {f"leader/{key}": term for key, term in terms.items()}

    def _transforms(self, targets, outputs, weights):
        return {
            f"{name}/transform": weights["transform"] * sd.reconstruction(outputs[name]) for name in self.transforms
        }
