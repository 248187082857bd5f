"""The commands for a phone."""

import shlex

from odtf.benchmark.adb import adb_commands


def test_commands_have_the_names_of_the_files(tmp_path):
    files = [tmp_path / folder / "student int8.tflite" for folder in ("soc", "phone")]
    lines = [shlex.split(line) for line in adb_commands(files, threads=(1, 4)).splitlines() if line.startswith("adb")]
    pushed = {line[2]: line[3] for line in lines if line[1] == "push"}
    assert [pushed[str(file)] for file in files] == [
        "/data/local/tmp/soc_student int8.tflite",
        "/data/local/tmp/phone_student int8.tflite",
    ]
    runs = [shlex.split(line[2]) for line in lines if "--graph" in line[2]]
    assert [[flag for flag in run if flag.startswith("--graph")] for run in runs] == [
        [f"--graph={there}"] for file in files for there in [pushed[str(file)]] * 4
    ]
    assert [flag for run in runs[:3] for flag in run if "threads" in flag or "profiling" in flag] == [
        *("--num_threads=1", "--num_threads=4"),
        *("--num_threads=4", "--enable_op_profiling=true"),
    ]
    assert all("--use_xnnpack=true" in run for run in runs[:3])
