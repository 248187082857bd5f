"""Measures how much memory a training takes at its peak, and how much more the exports behind it.

    python tests/programs/export_memory.py [--images=20000] [--size=96] [--targets=soc,phone] [--root=CHECKOUT]

The photos are made: JPEG files of ten classes, told apart by colour and by stripes. odtf-train learns from them for an
epoch in a process of its own, exports, and ends; the peak of its resident memory is read when the training has written
its report, and at the end. --root measures another checkout, such as an earlier one. Exit status 1 where the exports
add more than 500 MB. Twenty thousand photos take some ten minutes on two cores.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_MB = 500
CLASSES = 10


def make_photos(folder, count, size):
    """Writes `count` photos of `size` x `size` pixels into sub-folders of ten classes."""
    rng = np.random.default_rng(0)
    rows = np.arange(size)[:, np.newaxis, np.newaxis]
    for label in range(CLASSES):
        place = folder / f"class_{label}"
        place.mkdir(parents=True)
        color = 64 + 128 * np.array([label & 1, label >> 1 & 1, label >> 2 & 1])
        for index in range(count // CLASSES):
            stripes = 40 * np.sin(2 * np.pi * (label + 1) * rows / size + rng.uniform(0, 6))
            noise = rng.normal(0, 25, (size // 8, size // 8, 3)).repeat(8, 0).repeat(8, 1)
            pixels = np.clip(color + stripes + noise[:size, :size], 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / f"{index}.jpg", quality=85)


def highest(pid):
    """Returns the peak of a process's resident memory so far, in MB (10**6 bytes)."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024 / 1e6


def measure(photos, size, targets, root, workdir):
    """Trains and exports in a process of its own.

    Returns:
        (float, float): the peak of the training, and that of all of it, in MB.

    Raises:
        RuntimeError: with the end of what it printed, if it fails.
    """
    command = [
        sys.executable,
        "-m",
        "odtf.commands.train",
        f"--config=configs/folder.py:path={photos},size={size},peers=2",
    ]
    command += ["--config.epochs=1", f"--config.export.targets={tuple(targets)!r}", f"--workdir={workdir}"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=printed, stderr=subprocess.STDOUT)
        trained = None
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            if trained is None and (workdir / "report.json").exists():
                trained = highest(process.pid)
            time.sleep(0.05)
        if status or trained is None:
            printed.seek(0)
            raise RuntimeError(printed.read()[-2000:])
    process.returncode = 0
    return trained, usage.ru_maxrss * 1024 / 1e6


def main():
    """Prints a line of figures; the exit status says whether the exports took more than they may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--targets", default="soc,phone")
    parser.add_argument("--root", type=pathlib.Path, default=ROOT)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        make_photos(folder / "photos", args.images, args.size)
        trained, whole = measure(folder / "photos", args.size, args.targets.split(","), args.root, folder / "run")
    print(
        f"{args.images:,} photos of {args.size} x {args.size}: training {trained:,.0f} MB, with exports {whole:,.0f} MB"
    )
    return int(whole - trained > MOST_MB)


if __name__ == "__main__":
    sys.exit(main())
