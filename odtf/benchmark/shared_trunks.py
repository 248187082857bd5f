"""Whole training steps of peers that share their first layers, against the same peers without sharing."""

import functools
import time

import keras
import tensorflow as tf

from odtf import models
from odtf.benchmark.steps import IMAGE_SHAPE, NUM_CLASSES, make_batch, run_step, trace, training_step
from odtf.benchmark.timing import Comparison, interleave
from odtf.methods import OnlineEnsemble, PeerCollaborative, Solo

# The students of online ensemble compression: fractions 1, 4/5 .. 1/5 of the channels after the base, rounded down.
STUDENTS = 5
WIDTHS = (16, 32, 64)
# The peers of peer collaborative learning, each with a view of its own.
PEERS = 3
# Their loss depends on the epoch; CIFAR's number.
STEPS_PER_EPOCH = 390


def students(depth):
    """Returns the callables `network(seed, name)` of the five students, as configs/oem.py has them for CIFAR."""
    return [
        functools.partial(
            models.cifar_resnet,
            IMAGE_SHAPE,
            NUM_CLASSES,
            depth=depth,
            widths=tuple(width * (STUDENTS - i) // STUDENTS for width in WIDTHS),
            stem_width=WIDTHS[0],
        )
        for i in range(STUDENTS)
    ]


def peer(depth):
    """Returns the callable `network(seed, name)` of the peers of `shared_trunk`: a standard CIFAR ResNet."""
    return functools.partial(models.cifar_resnet, IMAGE_SHAPE, NUM_CLASSES, depth=depth)


def ensemble_step(setup):
    """One step of the five students of an online ensemble on one base, against one step of each of them alone.

    The joint step has the ensemble, its divergences and the adapters with their intermediate terms; the separate
    steps are those of whole networks, each with a base of its own. Twice: by the clock, and by the processor time of
    all threads, which a busy machine does not disturb.

    Args:
        setup: `odtf.benchmark.setup.Setup`.

    Returns:
        list of `Comparison`.
    """
    batch, networks = make_batch(setup), students(setup.depth)
    joint = training_step(_compiled(OnlineEnsemble(networks), weight_decay=1e-4), batch)
    alone = [training_step(_compiled(Solo(network), weight_decay=1e-4), batch) for network in networks]
    steps = {"joint": joint, "alone": lambda: [step() for step in alone]}
    case = f"OEM, {STUDENTS} students of ResNet-{setup.depth}"
    rows = []
    for suffix, clock in (("", time.perf_counter), (", processor time", time.process_time)):
        times = interleave(steps, setup.repeats, clock=clock)
        rows.append(
            Comparison(case + suffix, "joint step", times["joint"], "separate steps", times["alone"], at_most=0.85)
        )
    return rows


class TrunkForEveryPeer(PeerCollaborative):
    """Every peer runs the trunk for itself, as networks do that share nothing."""

    def trunk_views(self, images):
        return [self.view(images, index) for index in range(len(self.branches))]


def shared_trunk(setup):
    """The step of peer collaborative learning, against the same where every peer runs the trunk for itself.

    Once with one view for all peers, and once with a view for each: the trunk runs once for every view, so that with
    as many views as peers nothing is saved. How often it runs, trained and mean trunk together, is counted in the graph
    of the step and stands in the names of the alternatives.

    Args:
        setup: `odtf.benchmark.setup.Setup`.

    Returns:
        list of `Comparison`.
    """
    images, labels = make_batch(setup)
    rows = []
    for views in (1, PEERS):
        batch = (images if views == 1 else tf.stack([images] * views, axis=1), labels)
        steps, passes = {}, {}
        for kind in (PeerCollaborative, TrunkForEveryPeer):
            cohort = _compiled(kind(peer(setup.depth), num_peers=PEERS), weight_decay=5e-4)
            step = trace(cohort, batch)
            steps[kind] = functools.partial(run_step, step, batch)
            passes[kind] = count_passes(step.graph, cohort.trunk) + count_passes(step.graph, cohort.mean_trunk)
        times = interleave(steps, setup.repeats)
        counted = f"{passes[PeerCollaborative]} trunk passes", f"{passes[TrunkForEveryPeer]} trunk passes"
        case = f"PCL, {PEERS} peers of ResNet-{setup.depth}, {views} view{'s' if views > 1 else ''}"
        rows.append(Comparison(case, counted[0], times[PeerCollaborative], counted[1], times[TrunkForEveryPeer]))
    return rows


def count_passes(graph, network):
    """Counts in a traced graph how often a network runs forward.

    Args:
        graph: `tf.Graph` of a concrete function, gradients included.
        network: `keras.Model` with at least one 2D convolution.

    Returns:
        int.

    Raises:
        ValueError: if its convolutions do not all run equally often.
    """
    kernels = {id(outer): inner for outer, inner in graph.captures}
    convolutions = [operation for operation in graph.get_operations() if operation.type == "Conv2D"]
    read = [convolution.inputs[1].op.inputs[0] for convolution in convolutions]
    counts = {
        sum(handle is kernels.get(id(layer.kernel.value.handle)) for handle in read)
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    if len(counts) != 1:
        raise ValueError(f"Every convolution of a network runs once in a pass. Received: {sorted(counts)} times.")
    return counts.pop()


def _compiled(cohort, weight_decay):
    optimizer = keras.optimizers.SGD(1e-6, momentum=0.9, nesterov=True)
    cohort.compile(optimizer, weight_decay=weight_decay, steps_per_epoch=STEPS_PER_EPOCH)
    return cohort
