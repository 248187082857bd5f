"""How a TFLite file is measured on an Android phone: the commands, to be copied."""

import pathlib
import shlex

URL = "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest"
TOOL = "android_aarch64_benchmark_model"
FOLDER = "/data/local/tmp"


def adb_commands(paths, threads=(1, 2)):
    """Returns the commands that run files on a phone, as lines of shell with comments.

    They use the prebuilt native binary of TFLite's benchmark, which takes XNNPACK and tells the time of every operator.

    Args:
        paths: TFLite files.
        threads: iterable of int.

    Returns:
        str.

    Reference:
        "Benchmark Interpreter API", https://ai.google.dev/edge/litert/models/measurement
    """
    lines = [
        "# A phone with USB debugging, and adb (Android platform tools). Once:",
        f"curl -fLO {URL}/{TOOL}",
        f"adb push {TOOL} {FOLDER}/",
        f"adb shell chmod +x {FOLDER}/{TOOL}",
        "",
        "# Which cores are the fast ones: the highest frequencies. f0, below, stands for cores 4 to 7; 80 for core 7.",
        "adb shell 'cat /sys/devices/system/cpu/cpu*/cpufreq/cpuinfo_max_freq'",
    ]
    for path in paths:
        # With the folder's name: the files of several targets are called alike.
        there = shlex.quote(f"{FOLDER}/{'_'.join(pathlib.Path(path).resolve().parts[-2:])}")
        lines += ["", f"adb push {shlex.quote(str(path))} {there}"]
        for number in threads:
            run = f"taskset f0 {FOLDER}/{TOOL} --graph={there} --num_threads={number} --use_xnnpack=true"
            run += " --warmup_runs=50 --num_runs=500"
            lines.append(f"adb shell {shlex.quote(run)}")
        lines += [
            "# Time per operator:",
            f"adb shell {shlex.quote(run + ' --enable_op_profiling=true')}",
            "# On the GPU:",
            f"adb shell {shlex.quote(f'{FOLDER}/{TOOL} --graph={there} --use_gpu=true --num_runs=500')}",
        ]
    lines += ["", '# "Inference (avg)" is microseconds; with --use_xnnpack=false, LiteRT\'s own kernels are timed.']
    return "\n".join(lines)
