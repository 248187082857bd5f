"""Writes the page of the commands for the documentation site: what each says to --help, and the lists of `odtf list`.

python tools/command_page.py docs/commands.md
"""

import configparser
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOPICS = ("methods", "networks", "tasks", "targets", "data", "configs", "zoo")


def commands():
    """Returns the names of the commands, and the modules that they are."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].split("\n")
    pairs = (line.split("=") for line in lines if "=" in line)
    return {name.strip(): module.strip().partition(":")[0] for name, module in pairs}


def page():
    """Returns the page as Markdown."""
    found = commands()
    parts = ["# Commands", "What each command says to `--help`."]
    for name, module in found.items():
        parts += [f"## {name}", _block(_told(name, module, "--help"))]
    parts += ["## What there is", "The lists of `odtf list`."]
    for topic in TOPICS:
        parts += [f"### {topic}", _block(_told("odtf", found["odtf"], "list", topic))]
    return "\n\n".join(parts) + "\n"


def _told(name, module, *arguments):
    """Returns what a command prints, started under its own name."""
    code = f"import sys; sys.argv[0] = {name!r}; from {module} import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return done.stdout


def _block(text):
    return f"```text\n{text.strip()}\n```"


if __name__ == "__main__":
    pathlib.Path(sys.argv[1]).write_text(page(), "utf-8")
