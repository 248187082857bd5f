"""Teachers that were trained elsewhere, in every format, against what they answer by themselves."""

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import layers, ops

from odtf import methods, models, teachers
from odtf.data import Info
from odtf.errors import UserError
from tests.models.test_own import MEAN, NORMALIZED, PIXELS, STD, Subclassed, called, residual

INFO = Info("photos", (16, 16, 3), ("ash", "birch", "cedar"), (MEAN, STD))


def probabilities(teacher, images=NORMALIZED):
    return np.asarray(ops.softmax(teacher(images)["logits"]))


def test_a_keras_model_teaches_with_what_it_answers_to_raw_pixels(tmp_path):
    model = residual()
    model.save(tmp_path / "teacher.keras")
    for file in (model, tmp_path / "teacher.keras", str(tmp_path / "teacher.keras")):
        teacher = teachers.load(file, INFO)
        np.testing.assert_allclose(probabilities(teacher), model(PIXELS), atol=1e-5)
        assert {"stage1", "stage3", "embedding"} < set(teacher.output) and not teacher.trainable_variables
    assert model.trainable_variables  # What was given is as it was.


def test_a_teacher_has_its_own_order_of_classes_and_may_know_more():
    model = residual()
    teacher = teachers.load(model, INFO, order=("cedar", "ash", "birch"))
    np.testing.assert_allclose(probabilities(teacher), np.asarray(model(PIXELS))[:, [1, 2, 0]], atol=1e-5)
    two = Info("x", (16, 16, 3), ("birch", "cedar"), (MEAN, STD))
    teacher = teachers.load(model, two, order=("cedar", "ash", "birch"))
    expected = np.asarray(model(PIXELS))[:, [2, 0]]
    np.testing.assert_allclose(probabilities(teacher), expected / expected.sum(-1, keepdims=True), atol=1e-5)
    for order, words in ((None, "needs order"), (("a", "b", "c"), "without birch"), (("cedar", "birch"), "2 names")):
        with pytest.raises(UserError, match=words):
            teachers.load(model, two, order=order)


def test_a_teacher_of_another_size_gets_images_of_its_own():
    model = residual(size=32)
    teacher = teachers.load(model, INFO)
    larger = tf.image.resize(PIXELS, (32, 32)).numpy()
    np.testing.assert_allclose(probabilities(teacher), model(larger), atol=1e-4)
    grey = teachers.load(model, Info("x", (16, 16, 1), INFO.names, ((0.5,), (0.2,))))
    assert grey.input_shape == (None, 16, 16, 1)
    with pytest.raises(UserError, match="takes images of 3 channels"):
        teachers.load(model, Info("x", (16, 16, 2), INFO.names, ((0.5,), (0.2,))))


def test_a_teacher_that_does_not_say_its_pixels_is_refused():
    model = residual(scaled=False)
    with pytest.raises(UserError, match=r"Which pixels it takes must be said.*0\.\.255"):
        teachers.load(model, INFO)
    np.testing.assert_allclose(
        probabilities(teachers.load(model, INFO, pixels="-1..1")), model(PIXELS / 127.5 - 1), atol=1e-5
    )


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_a_subclassed_model_teaches_and_whether_it_ends_in_a_softmax_is_found(activation):
    model = called(Subclassed(activation=activation))
    teacher = teachers.load(model, INFO, pixels="0..1")
    expected = model(PIXELS / 255)
    np.testing.assert_allclose(probabilities(teacher), expected if activation else ops.softmax(expected), atol=1e-5)
    assert set(teacher.output) == {"logits"}
    # Said, it is not looked at.
    said = teachers.load(model, INFO, pixels="0..1", scores="logits")
    np.testing.assert_allclose(said(NORMALIZED)["logits"], expected, atol=1e-5)


def test_a_saved_model_needs_to_be_allowed(tmp_path):
    model = residual()
    model.export(tmp_path / "saved", verbose=False)
    for allowed in (False, (), ("x.py:f",)):
        with pytest.raises(UserError, match="--allow_code"):
            teachers.load(tmp_path / "saved", INFO, pixels="0..255", allow_code=allowed)
    teacher = teachers.load(tmp_path / "saved", INFO, pixels="0..255", allow_code=True)
    np.testing.assert_allclose(probabilities(teacher), model(PIXELS), atol=1e-5)


def test_a_tflite_file_answers_and_has_no_maps(tmp_path):
    model = residual()
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    (tmp_path / "teacher.tflite").write_bytes(content)
    teacher = teachers.load(tmp_path / "teacher.tflite", INFO, pixels="0..255")
    np.testing.assert_allclose(probabilities(teacher), model(PIXELS), atol=1e-4)
    with pytest.raises(UserError, match="does not say how it takes pixels"):
        teachers.load(tmp_path / "teacher.tflite", INFO)
    student = models.from_keras(residual(), normalization=(MEAN, STD))
    with pytest.raises(ValueError, match=r"The teacher has no maps\. Received: 'stage2'"):
        methods.FitNets(student, teacher)
    taught = methods.OfflineDistillation(student, teacher)
    taught.compile(keras.optimizers.SGD(0.1))
    before = taught.peers["peer_0"].weights[0].numpy().copy()
    taught.fit(NORMALIZED, np.array([0, 1, 2, 0, 1]), batch_size=5, epochs=2, verbose=0)
    assert np.abs(taught.peers["peer_0"].weights[0].numpy() - before).max() > 0


def onnx_file(path, layout, batch):
    """A convolution, pooling and a softmax; returns the same as a function of arrays [n, h, w, 3]."""
    random = np.random.default_rng(0)
    kernel, dense = random.normal(size=(4, 3, 3, 3)).astype("float32"), random.normal(size=(4, 3)).astype("float32")
    shape = [batch, 3, 16, 16] if layout == "NCHW" else [batch, 16, 16, 3]
    make, numpy = onnx.helper, onnx.numpy_helper
    nodes = [make.make_node("Transpose", ["image"], ["chw"], perm=[0, 3, 1, 2])] if layout == "NHWC" else []
    nodes += [
        make.make_node("Conv", ["chw" if nodes else "image", "kernel"], ["maps"]),
        make.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
        make.make_node("Flatten", ["pooled"], ["vector"]),
        make.make_node("MatMul", ["vector", "dense"], ["scores"]),
        make.make_node("Softmax", ["scores"], ["answer"]),
    ]
    graph = make.make_graph(
        nodes,
        "teacher",
        [make.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape)],
        [make.make_tensor_value_info("answer", onnx.TensorProto.FLOAT, [batch, 3])],
        [numpy.from_array(kernel, "kernel"), numpy.from_array(dense, "dense")],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))

    def expected(images):
        maps = tf.nn.conv2d(images, kernel.transpose(2, 3, 1, 0), 1, "VALID").numpy()
        return tf.nn.softmax(maps.mean((1, 2)) @ dense).numpy()

    return expected


@pytest.mark.parametrize(("layout", "batch"), [("NCHW", "n"), ("NCHW", 1), ("NHWC", "n")])
def test_an_onnx_file_answers_in_either_layout(tmp_path, layout, batch):
    path = tmp_path / "teacher.onnx"
    expected = onnx_file(path, layout, batch)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    teacher = teachers.load(path, INFO, pixels=(mean, std), order=("cedar", "ash", "birch"))
    values = ((PIXELS / 255 - np.array(mean)) / np.array(std)).astype("float32")
    np.testing.assert_allclose(probabilities(teacher), expected(values)[:, [1, 2, 0]], atol=1e-4)
    for options, words in (
        ({}, "does not say how it takes pixels"),
        ({"pixels": "0..1", "layout": "HWC"}, "layout is"),
    ):
        with pytest.raises(UserError, match=words):
            teachers.load(path, INFO, **options)


def test_an_onnx_file_that_cannot_run_is_refused_in_one_line(tmp_path):
    make, image = onnx.helper, onnx.TensorProto.FLOAT
    dense = onnx.numpy_helper.from_array(np.zeros((48, 3), np.float32), "dense")  # Of images of 4x4, which it hides.
    graph = make.make_graph(
        [make.make_node("Flatten", ["image"], ["vector"]), make.make_node("MatMul", ["vector", "dense"], ["answer"])],
        "teacher",
        [make.make_tensor_value_info("image", image, ["n", 3, "height", "width"])],
        [make.make_tensor_value_info("answer", image, ["n", 3])],
        [dense],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(tmp_path / "teacher.onnx"))
    with pytest.raises(
        UserError, match=r"ONNX Runtime must be able to run \S+teacher\.onnx\. Received: .*MatMul"
    ) as one:
        teachers.load(tmp_path / "teacher.onnx", INFO, pixels="0..1")
    assert "\n" not in str(one.value)


def test_what_is_no_teacher_is_refused_in_one_line(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    (tmp_path / "bad.tflite").write_bytes(b"nothing")
    (tmp_path / "bad.keras").write_bytes(b"nothing")
    (tmp_path / "model.h5").write_bytes(b"nothing")
    (tmp_path / "folder").mkdir()
    for name, words in (
        *(
            ("bad.onnx", "ONNX Runtime must"),
            ("bad.tflite", "TFLite file is needed"),
            ("bad.keras", "must be a .keras"),
        ),
        *(("model.h5", "HDF5"), ("folder", "or a SavedModel"), ("absent.pb", "or a SavedModel")),
    ):
        with pytest.raises(UserError, match=words) as refused:
            teachers.load(tmp_path / name, INFO, pixels="0..1")
        assert "\n" not in str(refused.value)
    image = keras.Input((16, 16, 3))
    with pytest.raises(UserError, match="logits or probabilities"):
        teachers.load(keras.Model(image, layers.Dense(3)(layers.Flatten()(image))), INFO, scores="softmax")
