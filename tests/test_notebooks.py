"""notebooks/: each is text, NAME.py, of which NAME.ipynb is made; both are in step, and every cell runs.

`python -m tests.test_notebooks` writes the .ipynb files.
"""

import os
import pathlib
import sys

import jupytext
import nbclient
import nbformat
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))


def made(source):
    """Returns the notebook of a text, without outputs; the same text gives the same file."""
    notebook = jupytext.reads(source.read_text("utf-8"), "py:percent")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return notebook


def written(source):
    return nbformat.writes(made(source)) + "\n"


def by_name(source):
    return source.stem


@pytest.mark.parametrize("source", SOURCES, ids=by_name)
def test_a_notebook_is_what_its_text_says(source):
    assert source.with_suffix(".ipynb").read_text("utf-8") == written(source), "python -m tests.test_notebooks"


@pytest.mark.parametrize("source", SOURCES, ids=by_name)
def test_every_cell_runs_and_none_is_noisy(source, tmp_path, monkeypatch):
    """As somebody would run it who has odtf installed, on the small budget, in a folder of its own."""
    monkeypatch.setenv("ODTF_BUDGET", "small")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)  # Which tests set, and users do not.
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # With it a kernel passes over what C++ writes.
    notebook = made(source)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    texts = [output.text for output in outputs if output.output_type == "stream"]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert not any(word in text for text in texts for word in ("Assets written", "WARNING", "Warning"))
    assert any("image/png" in output.get("data", {}) for output in outputs), "no picture is shown"
    assert (tmp_path / "runs" / source.stem).is_dir()


if __name__ == "__main__":
    for path in SOURCES:
        path.with_suffix(".ipynb").write_text(written(path))
        print(path.with_suffix(".ipynb").relative_to(ROOT), file=sys.stderr)
