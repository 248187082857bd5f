"""The teacher without pairs: two generators there and back, and a discriminator of the pictures of each (CycleGAN)."""

import tensorflow as tf
from keras import ops

from odtf.losses import cycle_consistency, identity_mapping, least_squares
from odtf.methods.shared import image_pool
from odtf.methods.shared.peers import peer_seed
from odtf.methods.shared.replicas import assign_together
from odtf.models.discriminators import patch_discriminator

WIDE, BACK = "wide", "back"
_CYCLE, _PATCHES = "cycle", "patches"


class CycleTeaching:
    """What the generators of a cycle, and their discriminators, minimise; x is an image, y a picture of the other set.

    Generators G (`wide`) and F (`back`), as one player: w_a (D(G(x)) - 1)^2 + w_c |F(G(x)) - x| + w_i |G(y) - y|, and
    the same the other way round. Discriminators D of pictures and E of images, as another: half of D(pool(G(x)))^2 +
    (D(y) - 1)^2, and the same of E. What they see of generated images goes through a pool, see `image_pool.draw`; it is
    that of the whole batch, on all replicas together.

    Args:
        cohort: the `Method`, whose peers have `wide`; it holds the pools as its variables.
        make: callable `network(seed=int, name=str)`, what made that peer.
        weights: dict of floats: "adversarial", "cycle" and "identity", w_a, w_c and w_i.
        pool_size: int, images in each pool.
        width, norm: as for `patch_discriminator`.

    Attributes:
        networks: dict from an attribute of the cohort to a network: "back", "wide_discriminator",
            "back_discriminator".
        groups: dict from the name of a player to its networks and to what its terms begin with.

    Raises:
        ValueError: if an image and a picture have other shapes, or `pool_size` is none.

    Reference:
        Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
        2017, whose released code steps the generators before the discriminators: which is the same, since what these
        see was made before, and the generators are judged by what they were.
    """

    taught_by = ("teacher",)

    def __init__(self, cohort, make, *, weights, pool_size, width, norm):
        self._cohort, self._weights = cohort, weights
        wide = cohort.peers[WIDE]
        image, picture = wide.input, wide.output[cohort.task.output]
        if image.shape[1:] != picture.shape[1:]:
            raise ValueError(
                "Generators there and back need images and pictures of one shape. "
                f"Received: {tuple(image.shape[1:])} and {tuple(picture.shape[1:])}."
            )
        if not isinstance(pool_size, int) or pool_size < 1:
            raise ValueError(f"pool_size must be an integer of at least 1. Received: {pool_size!r}.")
        options = {"width": width, "norm": norm, "synchronized": cohort.synchronized, "routes": (_PATCHES,)}
        self._generators = {WIDE: wide, BACK: make(seed=peer_seed(cohort.seed, 5), name=BACK)}
        self._judges = {
            name: patch_discriminator(image.shape[1:], seed=seed, name=f"{name}_discriminator", **options)
            for name, seed in ((WIDE, peer_seed(cohort.seed, 3)), (BACK, peer_seed(cohort.seed, 6)))
        }
        self.networks = {BACK: self._generators[BACK], **{judge.name: judge for judge in self._judges.values()}}
        self.groups = {
            "generators": (list(self._generators.values()), tuple(f"{name}/" for name in self._generators)),
            "discriminators": (list(self._judges.values()), ("discriminators/",)),
        }
        state = {"initializer": "zeros", "trainable": False, "autocast": False}
        self._pools = {}
        for index, name in enumerate(self._generators, start=7):
            pool = cohort.add_weight(shape=(pool_size, *image.shape[1:]), name=f"{name}_pool", dtype="float32", **state)
            count = cohort.add_weight(shape=(), name=f"{name}_pool_count", dtype="int64", **state)
            # Of each its own numbers, a function of the cohort's seed and of the step.
            self._pools[name] = pool, count, peer_seed(cohort.seed, index)

    def with_targets(self, outputs, targets, training):
        """Returns outputs with what the generators make of images and pictures, and what the pools are after it."""
        there, real = outputs["input"]["images"], self._cohort.task.real(targets)
        made = {WIDE: self._cohort.answer(outputs[WIDE]), BACK: self._run(BACK, real, training)}
        found = {}
        for name, other, target in ((WIDE, BACK, real), (BACK, WIDE, there)):
            found[name] = {"made": made[name], "cycled": self._run(other, made[name], training)}
            if self._weights["identity"]:
                found[name]["same"] = self._run(name, target, training)
            seen = ops.stop_gradient(made[name])
            if training:
                seen, found[name]["pool"], found[name]["count"] = self._draw(name, seen)
            found[name]["seen"] = seen
        return {**outputs, **{f"{_CYCLE}_{name}": each for name, each in found.items()}}

    def _run(self, name, images, training):
        return self._cohort.answer(self._generators[name](images, training=training))

    def _draw(self, name, made):
        """What a discriminator sees in place of this replica's images, and the pool and its count after that."""
        pool, count, seed = self._pools[name]
        context = tf.distribute.get_replica_context()
        single = context.num_replicas_in_sync == 1
        images = made if single else context.all_gather(made, axis=0)
        step = tf.cast(self._cohort.optimizer.iterations.value, tf.int64)
        seeds = tf.stack([tf.constant(seed, tf.int64), step])
        pool, count = (tf.convert_to_tensor(v.value) for v in (pool, count))
        seen, pool, count = image_pool.draw(pool, count, images, seeds)
        if not single:
            share = tf.shape(made)[0]
            first = share * tf.cast(context.replica_id_in_sync_group, tf.int32)
            seen = tf.ensure_shape(seen[first : first + share], made.shape)
        return seen, pool, count

    def terms(self, targets, outputs):
        """Returns the terms of the generators and of the discriminators by name, each a float32 tensor `[batch]`."""
        images, real = outputs["input"]["images"], self._cohort.task.real(targets)
        weights, terms = self._weights, {}
        for name, source, target in ((WIDE, images, real), (BACK, real, images)):
            found, judge = outputs[f"{_CYCLE}_{name}"], self._judges[name]
            answers = {key: judge(found[key], training=True)[_PATCHES] for key in ("made", "seen")}
            terms[f"{name}/adversarial"] = weights["adversarial"] * least_squares(answers["made"], 1)
            terms[f"{name}/cycle"] = weights["cycle"] * cycle_consistency(source, found["cycled"])
            if "same" in found:
                terms[f"{name}/identity"] = weights["identity"] * identity_mapping(target, found["same"])
            terms[f"discriminators/{name}_made"] = 0.5 * least_squares(answers["seen"], 0)
            terms[f"discriminators/{name}_real"] = 0.5 * least_squares(judge(target, training=True)[_PATCHES], 1)
        return terms

    def after_step(self, outputs):
        """Puts the pools where the step has left them, on all replicas together."""
        variables, values = [], []
        for name, (pool, count, _) in self._pools.items():
            variables += [pool, count]
            values += [outputs[f"{_CYCLE}_{name}"][key] for key in ("pool", "count")]
        assign_together(variables, values)
