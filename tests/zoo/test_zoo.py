"""The zoo: every start is small, is what its card says, and is taken by the network that the card names."""

import json
import subprocess
import sys

import numpy as np
import pytest

from odtf import models, zoo
from odtf.errors import UserError
from odtf.models import keras_file


@pytest.mark.parametrize("name", zoo.names())
def test_a_start_is_what_its_card_says(name):
    card, path = zoo.card(name), zoo.path(name)
    assert path.stat().st_size == card["bytes"] <= 400_000
    assert {"title", "data", "terms", "commands", "quality"} <= card.keys()
    network = keras_file.load(path)
    assert list(network.input.shape[1:]) == card["images"]
    own = models.build(card["network"], (16, 16, 1), 3, seed=0)
    started = models.start(own, f"zoo:{name}")
    assert list(started.new) == ["logits"] and list(started.changed) == ["stem"]
    assert models.cost(models.build(card["network"], card["images"], 100, seed=0)).params == card["parameters"]


def test_there_is_no_other_start():
    with pytest.raises(UserError, match=r"The zoo has .*'unicorn'"):
        zoo.path("unicorn")


@pytest.fixture
def own_zoo(tmp_path, monkeypatch):
    """A zoo of one start, made here."""
    network = models.build({"name": "plain_cnn", "widths": (4,)}, (8, 8, 3), 5, seed=0)
    network.save(tmp_path / "own.keras")
    import hashlib

    digest = hashlib.sha256((tmp_path / "own.keras").read_bytes()).hexdigest()
    about = {"network": {"name": "plain_cnn"}, "parameters": 1234, "bytes": 99, "quality": "good", "sha256": digest}
    (tmp_path / "own.json").write_text(json.dumps(about))
    monkeypatch.setattr(zoo, "_FOLDER", tmp_path)
    return tmp_path, network


def test_a_start_is_found_by_its_name(own_zoo):
    assert zoo.names() == ["own"]
    own = models.build({"name": "plain_cnn", "widths": (4,)}, (8, 8, 3), 2, seed=7)
    models.start(own, "zoo:own")
    kernels = [model.weights[0].numpy() for model in (own, own_zoo[1])]
    np.testing.assert_array_equal(*kernels)


def test_another_file_than_that_of_the_card_is_refused(own_zoo):
    path = own_zoo[0] / "own.keras"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(UserError, match="must have the sha256"):
        zoo.path("own")
    path.unlink()
    with pytest.raises(UserError, match="Received: no file"):
        zoo.path("own")


def test_odtf_list_shows_it(own_zoo):
    from odtf.commands import list as command

    heading, row = command.rows("zoo")
    assert heading[0] == "start" and row == ("zoo:own", "plain_cnn", "1,234", "99", "good")


@pytest.mark.parametrize("topic", ["methods", "networks", "tasks", "data", "targets", "configs", "zoo"])
def test_odtf_list_has_a_table_of_every_topic(topic):
    from odtf.commands import list as command

    heading, *rows = command.rows(topic)
    assert all(len(row) == len(heading) and row[0] and row[-1] for row in rows)
    if topic != "zoo":
        assert len(rows) > 1


def test_odtf_list_is_a_command():
    def odtf(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "odtf.commands.list", *arguments], capture_output=True, text=True, check=False
        )

    listed = odtf("list", "methods")
    assert listed.returncode == 0 and "OnlineDistillationCheap" in listed.stdout
    for arguments in (("list", "beasts"), ("list",), ("train",)):
        refused = odtf(*arguments)
        assert refused.returncode == 2 and refused.stderr.count("\n") == 1 and "Received: " in refused.stderr
