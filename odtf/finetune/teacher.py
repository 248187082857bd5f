"""The teacher of a student that is fine-tuned: the cohort it comes from, frozen."""

import keras
from keras import ops


def make_teacher(kind, method):
    """Chooses the teacher among what a trained cohort has.

    Args:
        kind: "cohort": its online teacher, and where it has none its ensemble; "ensemble": the mean of the peers'
            answers, as the methods that average peers do; "none".
        method: `odtf.methods.Method` with the weights that validation chose.

    Returns:
        (name, function): a word for the report and a function from the images of a batch, as the pipeline gives them,
        to answers `[batch, ...]`; (None, None) for "none".
    """
    if kind == "none":
        return None, None
    method.trainable = False
    shape = next(iter(method.peers.values())).input_shape
    has_teacher = kind == "cohort" and "teacher" in method.compute_output_spec(keras.KerasTensor(shape))
    if has_teacher:
        return "online teacher", lambda images: method.answer(method(images, training=False)["teacher"])
    peers = list(method.peers.values())

    def ensemble(images):
        answers = [method.answer(peer(method.view(images, i), training=False)) for i, peer in enumerate(peers)]
        return ops.mean(ops.stack(answers), axis=0)

    return f"ensemble of {len(peers)}", ensemble
