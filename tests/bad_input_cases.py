"""The table of bad input: what is typed, and what the one line of the answer says.

`$name` stands for something that tests/test_bad_input.py has prepared. A case that changes the config starts from one
whose data do not exist: an answer about anything else shows that it was found before data were looked for.
"""

import json
from typing import NamedTuple


class Case(NamedTuple):
    """Arguments of a console script, and the answer: what is wrong or would be right, and what was received."""

    name: str
    program: str
    arguments: tuple
    wanted: str
    received: str
    environment: dict = {}  # noqa: RUF012 (never changed)
    file_size: int | None = None


def train(wanted, received, *flags, config="--config=$config", **kwargs):
    arguments = tuple(flag for flag in (config, *flags, "--workdir=$new") if flag)
    return Case(" ".join(flags) or str(config), "odtf-train", arguments, wanted, received, **kwargs)


def changed(changes, wanted, received, *flags, **kwargs):
    """A config file that says something else: {"key": value}."""
    case = train(wanted, received, *flags, config=f"--config=$config:{json.dumps(changes)}", **kwargs)
    return case._replace(name=" ".join((json.dumps(changes)[1:-1], *flags)))


def method(wanted, received, name="OnlineDistillationCheap", **options):
    return changed({"method": {"name": name, **options}}, f"config.method.*{wanted}", received)


def grouped(wanted, received, **options):
    network = {"name": "od_cheap_resnet", "depth": 8, "conv": "group", **options}
    return changed({"network": network}, f"config.network.*{wanted}", received)


def folder(name, wanted, received, **changes):
    changes = {key.replace("__", "."): value for key, value in changes.items()}
    return changed({"data.name": f"folder:${name}", "batch_size": 4, **changes}, wanted, received)


def other(program, wanted, received, *arguments, **kwargs):
    return Case(" ".join((program, *arguments)), program, arguments, wanted, received, **kwargs)


def export(wanted, received, *flags, **kwargs):
    return other("odtf-export", wanted, received, *flags, **kwargs)


def worker(wanted, received, text):
    case = train(wanted, received, "--strategy=multiworker", environment={"TF_CONFIG": text})
    return case._replace(name=f"TF_CONFIG={text}")


def cluster(*addresses, index=0):
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})


def compare(wanted, received, *flags):
    start = ("--config=$config", "--workdir=$new", "--json=$new/figures.json")
    return Case(" ".join(("odtf-compare", *flags)), "odtf-compare", (*start, *flags), wanted, received)


STORED = ("--config=digits", "--output=$new")


def store(wanted, received, *flags):
    return other("odtf-store", wanted, received, "--config=$config", "--output=$new", *flags)


def evaluate(wanted, received, *flags):
    """A file that is none of TFLite's: an answer about anything else shows that it was found before it was read."""
    return other("odtf-evaluate", wanted, received, "$config", *flags)


DIGITS = {"data.name": "digits"}
TRAIN = {**DIGITS, "batch_size": 1024, "epochs": 2, "export.targets": []}  # What the run in $done was made with.
ON_DONE = f"--config=$config:{json.dumps(TRAIN)}"
TFDS = {"data.name": "cifar10"}
TYPES = "the keys and types of a config are those of default_config"

FLAGS = [
    Case("nothing at all", "odtf-train", (), "--config is required", "nothing"),
    Case("no workdir", "odtf-train", ("--config=$config",), "--workdir is required", "nothing"),
    Case("empty workdir", "odtf-train", ("--config=$config", "--workdir="), "--workdir is required", "''"),
    train("--config is required", "nothing", config=None),
    train("Unknown command line flag 'wrokdir'", "Did you mean: workdir", "--wrokdir=x"),
    train("All input comes as --flag=value", "more", "more"),
    train("one of <one.mirrored.multiworker>", "--strategy=both", "--strategy=both"),
    train("name a Python file with get_config", "'/nowhere/c.py', which is no file", config="--config=/nowhere/c.py"),
    train("name a Python file with get_config", "which is no file", config="--config=$empty"),
    train("name a Python file with get_config", "''", config="--config="),
    train("config has the keys .*epochs", "'epoch'", "--config.epoch=3"),
    train("config.data has the keys .*name", "'nmae'", "--config.data.nmae=digits"),
    train("Unknown augmentation: the known ones are pad, pad_mode", "padd", "--config.data.augment.padd=4"),
    train(r"config.network: .*it has depth, conv, groups.*did you mean depth\?", "depht=8", "--config.network.depht=8"),
    train(r"config.method: Solo takes the keys name, networks\.", "peers=3", "--config.method.peers=3"),
    train(
        r"config.method: .*takes the keys name, .*temperature.*did you mean temperature\?",
        "temprature=3",
        *("--config.method.name=DeepMutualLearning", "--config.method.temprature=3"),
    ),
    train(
        "config.method: num_peers must be an integer",
        r"num_peers=2\.5",
        *("--config.method.name=DeepMutualLearning", "--config.method.num_peers=2.5"),
    ),
    train(
        r"config.optimizer: sgd takes no momentums; .*did you mean momentum\?",
        "0.5",
        "--config.optimizer.momentums=0.5",
    ),
    train("config.method.name must be one of .*Solo", "'Lazy'", "--config.method.name=Lazy"),
    train("config.network: Unknown network.*resnet8", "'resnet9'", "--config.network.name=resnet9"),
    train(r"config.task: .*distil.*did you mean supervised\?", "'x.py:y'", "--config.task.superviced=x.py:y"),
    train("must be a file with a loss", "/nowhere.py", "--config.task.supervised=/nowhere.py:loss"),
    train("config.task.distil is FILE.py:FUNCTION", "'kl'", "--config.task.distil=kl"),
    train(
        "must be a module nowhere_x with a network: beside the config",
        "nowhere_x:y",
        "--config.network.name=nowhere_x:y",
    ),
    train("All workers would download the data", "--download", "--download", "--strategy=multiworker"),
    train("config.epochs is one value", "'x'", "--config.epochs.x=8"),
    train("--config.epochs must be an integer", "'three'", "--config.epochs=three"),
    train("--config.epochs must be an integer", r"'1\.5'", "--config.epochs=1.5"),
    train("--config.weight_decay must be a number", "'low'", "--config.weight_decay=low"),
    train("--config.jit must be True or False", "'maybe'", "--config.jit=maybe"),
    train("--config.data must be a mapping", "'digits'", "--config.data=digits"),
    train("augment must be a mapping", "\"{'mixup': 0.2\"", "--config.data.augment={'mixup': 0.2"),
    train(r"schedule.name must be one of .*did you mean cosine\?", "'cosin'", "--config.schedule.name=cosin"),
    train("schedule.milestones must be a tuple of rising epochs", r"\('a',\)", "--config.schedule.milestones=a"),
    train("--config=FILE must come before it", "no --config", "--config.epochs=3", config=None),
    train("takes the arguments .*depth", "'dept=20'", config="--config=configs/digits.py:dept=20"),
    train("argument depth must be of type int", "'deep'", config="--config=configs/digits.py:depth=deep"),
]

CONFIG_FILES = [
    train("name a Python file with get_config", r"no_get_config\.py, which has none", config="--config=$no_get_config"),
    train("must return a ConfigDict", r"dict\.py, which returns \{'epochs': 3\}", config="--config=$returns_dict"),
    train("must return a ConfigDict", "which returns None", config="--config=$returns_none"),
    train("takes nothing after the colon", "'depth=8'", config="--config=$no_argument:depth=8"),
    train(f"line 4: {TYPES}", 'config.epoch = 3 .*"epoch" does not exist', config="--config=$unknown_key"),
    train(f"line 4: {TYPES}", 'config.epochs = "3" ', config="--config=$wrong_type"),
    train("config has the keys .*seed", "none of average, batch_size, .*seed", config="--config=$lacks_keys"),
]

DEVICES = [
    train("This machine has the devices CPU:0", "GPU:7", "--devices=GPU:7"),
    train("--devices must name different devices", "banana", "--devices=banana"),
    train("A path must be shorter", r"a{40}\.\.\., 5003 characters", config=f"--config={'a' * 5000}.py"),
    other("odtf-train", "A path must be", r"a{40}\.\.\., 50\d\d", "--config=$config", f"--workdir={'a' * 5000}"),
    train("--devices must name different devices", "CPU:x", "--devices=CPU:x", "--strategy=mirrored"),
    train("must name different devices", "CPU:99999999999", "--devices=CPU:99999999999", "--strategy=mirrored"),
    train("of which there may be 64", "CPU:64", "--devices=CPU:64", "--strategy=mirrored"),
    train("--devices must name different devices", "CPU:0,CPU:0", "--devices=CPU:0,CPU:0", "--strategy=mirrored"),
    train("--strategy=one takes one device", "--devices=CPU:0,CPU:1", "--devices=CPU:0,CPU:1"),
    train("takes all devices of each worker", "--devices=CPU:0", "--devices=CPU:0", "--strategy=multiworker"),
    train('needs TF_CONFIG={"cluster"', "nothing", "--strategy=multiworker"),
    worker("needs TF_CONFIG", "{", "{"),
    worker("needs TF_CONFIG", "nonsense", cluster("nonsense")),
    worker("needs TF_CONFIG", "127.0.0.1:99999", cluster("127.0.0.1:99999")),
    worker("needs TF_CONFIG", '"index": 3', cluster("127.0.0.1:2", index=3)),
    worker(
        "worker 0 cannot start .*a port that nothing listens on", "Could not start gRPC", cluster("127.0.0.1:$port")
    ),
    changed({"batch_size": 33}, "batch_size .*multiple of 2", "33", "--strategy=mirrored", "--devices=CPU:0,CPU:1"),
]

CONFIG = [
    changed({"colour": "red"}, "config has the keys average, batch_size", "colour"),
    changed({"data": 3}, "config.data must be a mapping with the keys augment", "3"),
    changed({"data.colour": "red"}, "config.data has the keys augment", "colour"),
    changed({"checkpoint.kept": 3}, "config.checkpoint has the keys every_steps, keep", "kept"),
    changed({"seed": -1}, r"config.seed must be an integer from 0 to 2\*\*31 - 1", "-1"),
    changed({"seed": 1.5}, "config.seed must be an integer", r"1\.5"),
    changed({"batch_size": 0}, "config.batch_size must be an integer of at least 1", "0"),
    changed({"batch_size": "64"}, "config.batch_size must be an integer", "'64'"),
    changed({"batch_size": True}, "config.batch_size must be an integer", "True"),
    changed({"epochs": 0}, "config.epochs must be an integer of at least 1", "0"),
    changed({"log_every_steps": 0}, "config.log_every_steps must be an integer of at least 1", "0"),
    changed({"weight_decay": -1e-4}, "config.weight_decay must be a number, 0 or more", r"-0\.0001"),
    changed({"weight_decay": float("nan")}, "config.weight_decay must be a number", "nan"),
    changed({"weight_decay": None}, "config.weight_decay must be a number", "None"),
    changed({"task.label_smoothing": 1.0}, r"config.task: Label smoothing must lie in \[0, 1\)", r"1\.0"),
    changed({"precision": "float8"}, "config.precision must be one of auto, float32, mixed_bfloat16", "'float8'"),
    changed({"jit": True}, "config.jit must be False on a CPU", "True"),
    changed({"deterministic": "yes"}, "config.deterministic must be True or False", "'yes'"),
    changed({"data.name": ""}, "config.data.name must be 'digit_pictures', .*'folder:PATH', .* or a TFDS name", "''"),
    changed({"data.name": "no such"}, "'digit_scenes', 'digits', 'folder:PATH', .* or a TFDS name", "'no such'"),
    changed({"data.name": "memory:x-1"}, "Arrays live in the process .*FILE.py:FUNCTION", "'memory:x-1'"),
    changed({"code_dir": 7}, "config.code_dir must be None or a path", "7"),
    changed({"data.data_dir": 7}, "config.data.data_dir must be None or a path", "7"),
    changed({"data.validation_fraction": 0}, "config.data.validation_fraction must be .* between 0 and 1", r"0\.0"),
    changed({"data.domains": [{"name": "x", "image": 3}]}, "config.data.domains must be a tuple of mappings", "image'"),
    changed({"data.domains": [{"name": "x", "epochs": [3, 2]}]}, "config.data.domains must be .*first, end", "2"),
    changed({"data.domains": ["folder:x"]}, "config.data.domains must be a tuple of mappings", "folder:x"),
    changed(
        {**DIGITS, "data.domains": [{"name": "digits", "labels": False}]},
        "only where each target .* labels=True would be right",
        "labels=False with the target 'label'",
    ),
    changed({"data.validation_fraction": 1}, "config.data.validation_fraction must be .* between 0 and 1", r"1\.0"),
    changed({"data.num_views": 0}, "config.data.num_views must be an integer of at least 1", "0"),
    changed({"data.max_train_examples": 0}, "max_train_examples must be None or an integer of at least 1", "0"),
    changed({"data.image_size": 0}, "config.data.image_size must be None, one integer", "0"),
    changed({"data.image_size": [8]}, "image_size must be None, one integer, or height and width", r"\[8\]"),
    changed({"data.augment": None}, "config.data.augment must be a mapping", "None"),
    changed({"data.augment.shear": 1}, "known ones are pad, pad_mode, flip, cutout", "shear"),
    changed({"data.augment.pad": -1}, "augment.pad must be an integer of at least 0", "-1"),
    changed({"data.augment.pad_mode": "edge"}, "augment.pad_mode must be 'zero' or 'reflect'", "'edge'"),
    changed({"data.augment.flip": 1}, "augment.flip must be True or False", "1"),
    changed({"schedule.name": "step"}, "config.schedule.name must be one of constant, piecewise, cosine", "'step'"),
    changed({"schedule.learning_rate": 0}, "config.schedule.learning_rate must be a positive number", r"0\.0"),
    changed({"schedule.warmup_epochs": -1}, "config.schedule.warmup_epochs must be a number, 0 or more", r"-1\.0"),
    changed({"schedule.warmup_epochs": 1e6}, "config.schedule.warmup_epochs must be a number", r"1000000\.0"),
    changed({"schedule.warmup_epochs": 2.0}, "warmup_epochs must be at most 1, the epochs of the run", "2"),
    changed({"schedule.milestones": [1]}, "milestones acts where config.schedule.name is piecewise", "constant"),
    changed({"schedule.milestones": [3, 2]}, "config.schedule.milestones must be .* rising epochs", r"\(3, 2\)"),
    changed({"schedule.milestones": [-1, 2]}, "config.schedule.milestones must be .* 0 or more", r"\(-1, 2\)"),
    changed({"checkpoint.keep": 0}, "config.checkpoint.keep must be an integer of at least 1", "0"),
    changed({"checkpoint.every_steps": -1}, "config.checkpoint.every_steps must be .* at least 0", "-1"),
    changed({"optimizer": "sgd"}, "config.optimizer must be a mapping with a name", "'sgd'"),
    changed({"optimizer.name": "rmsprop"}, "config.optimizer.name must be one of sgd, adam", "'rmsprop'"),
    changed({"optimizer.momentum": 2}, r"config.optimizer.momentum must be a number in \[0, 1\)", r"2\.0"),
    changed({"optimizer.momentun": 0.9}, "sgd takes no momentun; its keys are momentum, nesterov", r"momentun=0\.9"),
    changed({"optimizer.nesterov": "yes"}, "config.optimizer.nesterov must be True or False", "'yes'"),
    changed(
        {"optimizer.use_ema": True},
        "optimizer.use_ema would be right left out: config.average.name=ema averages",
        "True",
    ),
    changed({"optimizer.clipnorm": "x"}, "config.optimizer.clipnorm must be None or a number", "'x'"),
    changed({"optimizer.loss_scale_factor": "x"}, "loss_scale_factor would be right left out", "'x'"),
    changed({"optimizer.gradient_accumulation_steps": 99}, "would be right left out: .*config.batch_size", "99"),
    changed({"epochs": 2**40}, "config.epochs must be an integer of at least 1, and at most 100,000", "1099511627776"),
    changed({"network.width": 2**40}, "config.network.width must be an integer", "1099511627776"),
    changed({"data.num_views": 2**40}, "config.data.num_views must be an integer", "1099511627776"),
    changed({"data.mean": [127.5]}, r"config.data.mean must be .*not of 0\.\.255", r"\[127\.5\]"),
    changed({"optimizer.weight_decay": 1e-4}, "config.weight_decay, .* would be right", "weight_decay=0.0001"),
    changed({"export.targets": ["watch"]}, "config.export: .*phone, phone-gpu, soc", "'watch'"),
    changed({"export.targets": "soc"}, "config.export.targets must be a tuple of names", "'soc'"),
    train(
        "all of whose layers train quantised; ensemble has others",
        "gate_pool",
        *("--config.quantization.aware=True", "--config.method.student=ensemble"),
        config="--config=configs/one.py:smoke",
    ),
    changed({"export.quantization": "int4"}, "config.export: .*int8, int16x8, float16, dynamic, float32", "'int4'"),
    changed({"export.quantization": "float16"}, "config.export: The soc target takes int8 or int16x8", "'float16'"),
    changed({"export.calibration_examples": 0}, "calibration_examples must be an integer of at least 1", "0"),
    changed({"network": {}}, "config.network must be a mapping with a name", r"\{\}"),
    changed({"network.name": "resnet9"}, "config.network: .*cifar_resnet.*resnet8", "'resnet9'"),
    changed({"network.depht": 8}, "config.network: .*it has depth, conv, groups", "depht=8"),
    changed({"network.depth": 9}, r"config.network: .*6n\+2, the nearest is 8", "depth=9"),
    changed({"network.width": "x"}, "config.network: .*integer", "width='x'"),
    changed({"network.conv": "winograd"}, "config.network: .*standard, group", "conv='winograd'"),
    changed({"network.groups": 4}, "config.network: Only grouped convolutions take groups", "groups=4"),
    grouped("at least 2 groups", "groups=1", groups=1),
    grouped("multiple of the groups", "groups=3", groups=3),
    grouped("at least 2 groups, an integer", "groups='4'", groups="4"),
    grouped("needs the number of groups", "groups=None"),
    method("name must be one of .*OnlineDistillationCheap", "'Lazy'", "Lazy"),
    method("name must be one of .*Solo", "'Method'", "Method"),
    method(r"Solo takes the keys name, networks\.", "temperature=3", "Solo", temperature=3),
    method("takes the keys name, networks, num_peers, temperature", "temprature=4", temprature=4),
    method("takes the keys name, networks, num_peers", "seed=4", seed=4),
    method("networks must be a network, such as", "'cifar_resnet'", networks="cifar_resnet"),
    method("networks must be a network, .*or a list", r"\[None\]", networks=[None]),
    method("networks must be a network, .*or a list", r"0\.5", networks=0.5),
    method("networks must be a network, .*or a list", "0", networks=0),
    method("at least 2 peers", "0 networks", networks=[]),
    method("temperature must be a positive number", "0", temperature=0),
    method("temperature must be a positive number", "-1", temperature=-1),
    method("temperature must be a number", "temperature='hot'", temperature="hot"),
    method("temperature must be a positive number, from 0.001 to 1000", r"1e\+30", temperature=1e30),
    method("at least 2 peers", "num_peers=1", num_peers=1),
    method("at least 2 peers", "num_peers=1", "DeepMutualLearning", num_peers=1),
    method("num_peers must be an integer", r"num_peers=2\.5", num_peers=2.5),
    method("kl_reduction must be 'batchmean' or 'elementmean'", "'sum'", kl_reduction="sum"),
    method("divergence must be one of kl, standardized, dkd, dist", "'kdd'", divergence="kdd"),
    method("The divergence 'dist' takes beta, gamma, weight", "'alpha'", divergence={"name": "dist", "alpha": 1}),
    changed(
        {"task": {"name": "retrieval"}, "method": {"name": "DeepMutualLearning", "divergence": "dkd"}},
        "config.method: The divergence 'dkd' compares class scores: kl, the task's own",
        "the task 'retrieval'",
    ),
    method("teacher", "neither|no teacher_workdir", "OfflineDistillation"),
    method("must be the workdir of a finished run", "7", "OfflineDistillation", teacher_workdir=7),
    method("holds no finished run", "no config.json", "OfflineDistillation", teacher_workdir="$empty"),
    method("holds no finished run", "no report.json", "OfflineDistillation", teacher_workdir="$unfinished"),
    method(r"lie in \[0, 1\]", r"alpha=1\.5", "OfflineDistillation", teacher_workdir="$done", alpha=1.5),
]

DATA = [
    changed({}, "folder of images cannot be read", "/nowhere"),
    folder("file", "folder of images cannot be read", "Not a directory"),
    folder("empty", "sub-folder for each of at least 2 classes", "with no sub-folder"),
    folder("one_class", "sub-folder for each of at least 2 classes", "with ash"),
    folder("empty_class", "A class has no images", "cedar"),
    folder("few", "Class 'ash' has too few images .*at least 3", "1 left to split"),
    folder("mixed", "Images differ in size: give image_size", r"8x8 .*9x9 .*odd\.png"),
    folder("corrupt", "Corrupt image: .*skip_corrupt=True", r"ash/03\.png \(image file is truncated\)"),
    folder("pipe", "An image cannot be read: .*skip_corrupt=True", r"ash/z\.jpg \(no regular file\)"),
    folder("postscript", "Corrupt image: .*skip_corrupt=True", r"ash/z\.jpg \(by its content it is none of BMP, GIF"),
    folder("tiny", "config.network: .*at least 4x4", r"\(3, 3, 3\)"),
    folder("good", "batch_size must not exceed the training split, 8 images", "64", batch_size=64),
    folder("good", "augment.pad must be an integer from 0 to 7", "8", data__augment__pad=8),
    folder("good", "augment.cutout must be an integer from 0 to 8", "9", data__augment__cutout=9),
    folder("good", "mean must give one number per channel, 3 here", r"\[0\.5\]", data__mean=[0.5]),
    folder("good", "std must give one positive number per channel", r"\[1, 1\]", data__std=[1, 1]),
    folder(
        "good",
        r"teacher_workdir must hold a teacher of images \(8, 8, 3\) in 2 classes",
        "ash, birch: without 0, 1, 2",
        method={"name": "OfflineDistillation", "teacher_workdir": "$done"},
    ),
    changed({**DIGITS, "data.image_size": 16}, "digits are images of 8x8 pixels", r"\(16, 16\)"),
    changed({**TFDS, "data.data_dir": "/nowhere"}, "not prepared there: --download", "no folder: it does not exist"),
    changed({**TFDS, "data.data_dir": "$good"}, "not prepared there: --download", "which holds ash, birch"),
    changed(
        {"data.name": "no_such_set", "data.data_dir": "$empty"},
        "TFDS could not prepare 'no_such_set' in .*empty",
        "DatasetNotFoundError: Dataset no_such_set not found",
        "--download",
    ),
    changed({"data.name": "a b", "data.data_dir": "$empty"}, "'digits', 'folder:PATH'", "'a b'", "--download"),
]


def resume(wanted, received, workdir, config=ON_DONE):
    return Case(f"workdir {workdir}", "odtf-train", (config, f"--workdir={workdir}"), wanted, received)


WORKDIR = [
    changed(TRAIN, r"Cannot write .*config\.json", "File too large", file_size=800),
    resume("cannot be written to", "Not a directory", "$file"),
    resume("TensorFlow has no file system for s3://: it has gs://, ram://", "s3://bucket/run", "s3://bucket/run"),
    train("--config must be on a disk of this machine", r"gs://b/c\.py", config="--config=gs://b/c.py"),
    changed(
        {"data.name": "folder:s3://bucket/photos"}, "TensorFlow has no file system for s3://", "s3://bucket/photos"
    ),
    resume("cannot be written to", "Not a directory", "$file/deeper/still"),
    resume("cannot be written to", "No such file or directory", "/proc/odtf"),
    resume(
        "belongs to another config; a new workdir, or the old config",
        r"data.name: digits -> folder:/nowhere; epochs: 2 -> 1",
        "$done",
        "--config=$config",
    ),
    resume("config.json is damaged: it must be JSON", r"line \d+ column", "$config_cut"),
    resume("config.json is damaged: it must have the keys", r"\[\]", "$config_list"),
    resume("No checkpoint .*can be read; another workdir", "damaged checkpoints of step 1, 2", "$all_damaged"),
]

EXPORT = [
    export("--workdir is required", "nothing"),
    export("--output goes with --model", "--output=x", "--workdir=$done", "--output=x"),
    export("--labels goes with --model", "--labels=x", "--workdir=$done", "--labels=x"),
    export("--data is required", "nothing", "--model=x.keras"),
    export("Unknown command line flag 'pier'", "Did you mean: peer", "--workdir=$done", "--pier=peer_0"),
    export("All input comes as --flag=value", "soc", "--workdir=$done", "soc"),
    export("holds no finished run", "no config.json", "--workdir=/nowhere"),
    export("TensorFlow has no file system for s3://", "s3://bucket/run", "--workdir=s3://bucket/run"),
    export("holds no finished run", "no config.json", "--workdir=ram://bucket/run"),
    export("holds no finished run", "no config.json", "--workdir=$file"),
    export("holds no finished run", "no report.json", "--workdir=$unfinished"),
    export("has the peers peer_0", "'peer_9'", "--workdir=$done", "--peer=peer_9"),
    export("one of <ethos-u55.ethos-u65.micro.phone.*web.all>", "--target=watch", "--workdir=$done", "--target=watch"),
    export("soc target takes int8 or int16x8", "'float16'", "--workdir=$done", "--quantization=float16"),
    export("one of <int8.int16x8", "--quantization=int4", "--workdir=$done", "--quantization=int4"),
    export("report.json is damaged: it must be JSON", r"line \d+ column", "--workdir=$report_cut"),
    export("report.json is damaged: it must have the keys student", r"\{\}", "--workdir=$report_empty"),
    export("report.json is damaged: its content .*digest", "a content of", "--workdir=$report_changed"),
    export("weights in .* are damaged", "no archive", "--workdir=$chosen_cut"),
    export("weights in .* are damaged", "Bad CRC-32", "--workdir=$chosen_flipped"),
    export("Weights must be at .*has the training of this workdir ended", "no such file", "--workdir=$chosen_gone"),
    export("Cannot write", "File too large", "--workdir=$done", file_size=20000),
    export("--budget chooses for one target", "--target=all", "--workdir=$done", "--target=all", "--budget=bytes=64K"),
    export("A budget is NAME=NUMBER", "'size=5'", "--workdir=$done", "--budget=size=5"),
    export("A budget is NAME=NUMBER", "''", "--workdir=$done", "--budget="),
    export("bytes is a positive number", "bytes=-5", "--workdir=$done", "--budget=bytes=-5"),
    export("bytes is a positive number", "bytes=64_", "--workdir=$done", "--budget=bytes=64_"),
    export("latency_us is a positive number", "soon", "--workdir=$done", "--budget=bytes=64K,latency_us=soon"),
    export("limits each name once", "macs twice", "--workdir=$done", "--budget=macs=5,macs=6"),
    export("--budget chooses the peer", "peer_0", "--workdir=$done", "--budget=bytes=5", "--peer=peer_0"),
    export("--budget chooses the quantization", "int8", "--workdir=$done", "--budget=bytes=5", "--quantization=int8"),
    export("holds no finished run", "no config.json", "--workdir=/nowhere", "--budget=bytes=5"),
]

BENCHMARK = [
    other("odtf-benchmark", "odtf-benchmark train, or odtf-benchmark edge FILE", "nothing"),
    other("odtf-benchmark", "odtf-benchmark train, or odtf-benchmark edge FILE", "fly", "fly"),
    other("odtf-benchmark", "needs the files to measure", "none", "edge"),
    other("odtf-benchmark", "measures TFLite files", "/nowhere.tflite, which is no file", "edge", "/nowhere.tflite"),
    other("odtf-benchmark", "measurements are group_conv", "'flying'", "train", "--only=flying"),
    other("odtf-benchmark", "must be integers from 1 to 256", "1000", "edge", "$config", "--threads=1000"),
    other("odtf-benchmark", "dies of it", "SIGSEGV from .*deadly", "edge", "$stranger/deadly.tflite"),
    other("odtf-benchmark", "cannot be written to", "", "train", "--json=$file/figures.json"),
]

COMPARE = [
    other("odtf-compare", "--config is required", "nothing"),
    other("odtf-compare", "--workdir is required", "nothing", "--config=$config", "--json=$new/x.json"),
    compare("is not a positive integer", "--seeds=0", "--seeds=0"),
    compare(r"--override=epoch: config has the keys .*did you mean epochs\?", "'epoch'", "--override=epoch=3"),
    compare("a key that the configs have", "'epochs'", "--override=epochs"),
    compare("must be of the type", "'three'", "--override=epochs=three"),
    compare("config.epochs must be an integer of at least 1", "0", "--override=epochs=0"),
    compare("name a Python file with get_config", "which is no file", "--config=/nowhere/c.py"),
    compare("the N-th config, of 1 to 1", "'2:epochs=3'", "--override=2:epochs=3"),
    compare("--images takes numbers above 0, and all", "'few'", "--images=100,few"),
]

STORE = [
    other("odtf-store", "--teacher is required", "nothing", "--config=$config", "--output=$new"),
    store("a mapping in JSON", "{file", "--teacher={file"),
    store("drawn once for each image", "cutout", "--teacher=x", "--config.data.augment.cutout=2"),
    other("odtf-store", "A teacher is a .keras", "/nowhere", *STORED, "--teacher=/nowhere"),
    other("odtf-store", "an .npz file of plain arrays", "No such file", *STORED, "--teacher=/nowhere.npz"),
]

EVALUATE = [
    other("odtf-evaluate", "evaluates one file", "nothing"),
    other("odtf-evaluate", "evaluates one file", "a.tflite b.tflite", "a.tflite", "b.tflite"),
    evaluate("--data is required", "nothing", "--json=$new/x.json"),
    other("odtf-evaluate", "takes TFLite files", "/nowhere.tflite", "/nowhere.tflite", "--data=digits"),
    evaluate("takes TFLite files", "/nowhere.tflite", "--data=digits", "--against=/nowhere.tflite"),
    evaluate("one of <train.validation.test.all>", "--split=whole", "--data=digits", "--split=whole"),
    evaluate("one of <0..255.0..1.-1..1>", "0..2", "--data=digits", "--pixels=0..2"),
    evaluate("--mean and --std go together", r"\['0.5'\] and None", "--data=digits", "--mean=0.5"),
    evaluate("says what --mean and --std would say", "0..1", "--data=digits", "--pixels=0..1", "--mean=0", "--std=1"),
    evaluate("--mean is of pixels scaled", "--mean=127.5", "--data=digits", "--mean=127.5", "--std=0.5"),
    evaluate("--std is of pixels scaled", "--std=0", "--data=digits", "--mean=0.5", "--std=0"),
    evaluate("--seed must be an integer", "'nan'", "--data=digits", "--seed=nan"),
    evaluate("--download must be True or False", "'maybe'", "--data=digits", "--download=maybe"),
    evaluate("--validation_fraction must be a number", "'half'", "--data=digits", "--validation_fraction=half"),
    evaluate("positive integer", "--max_examples=0", "--data=digits", "--max_examples=0"),
    evaluate("--json must name a file", r"x\.csv", "--data=digits", "--json=$new/x.csv"),
    evaluate("cannot be written to", "Not a directory", "--data=digits", "--json=$file/x.json"),
    evaluate("A TFLite file is needed", r"config\.py", "--data=digits"),
    evaluate("A task is classification", "'flying'", "--data=digits", "--task=flying"),
    evaluate("There must be a module nowhere with a task", "'nowhere:Task'", "--data=digits", "--task=nowhere:Task"),
    evaluate("has no flag --scores", "--scores=logits", "--data=digits", "--task=retrieval", "--scores=logits"),
]


def finetune(wanted, received, *flags, workdir="--workdir=$done"):
    return other("odtf-finetune", wanted, received, *filter(None, (workdir, *flags)))


FINETUNE = [
    finetune("--workdir is required", "nothing", workdir=None),
    finetune("--mode is required", "nothing"),
    finetune("--batch_size goes with --model", "--batch_size=8", "--mode=qat", "--batch_size=8"),
    finetune("--model is no run: leave --workdir out", "--workdir=", "--mode=qat", "--model=x.keras"),
    finetune("--model is a file", "x.keras", "--model=x.keras", "--data=digits", "--output=$new", workdir=None),
    finetune("one of <qat.prune.cluster.pqat.cqat>", "--mode=shrink", "--mode=shrink"),
    finetune("holds no finished run", "no report.json", "--mode=qat", workdir="--workdir=$unfinished"),
    finetune("report.json is damaged", "", "--mode=qat", workdir="--workdir=$report_cut"),
    finetune("has the peers peer_0", "'peer_9'", "--mode=qat", "--peer=peer_9"),
    finetune("--epochs must be at least 1", "0", "--mode=qat", "--epochs=0"),
    finetune("--alpha must be in", r"1\.5", "--mode=qat", "--alpha=1.5"),
    finetune("--temperature must be positive", "0", "--mode=qat", "--temperature=0"),
    finetune("--learning_rate must be positive", r"-0\.1", "--mode=qat", "--learning_rate=-0.1"),
    finetune("--sparsity must be between 0 and 1", r"1\.0", "--mode=prune", "--sparsity=1"),
    finetune("--sparsity_pattern must be .* block:HEIGHTxWIDTH", "'4:2'", "--mode=prune", "--sparsity_pattern=4:2"),
    finetune("--pruning_end must be .* after pruning_begin", r"0\.5", "--mode=prune", "--pruning_begin=0.6"),
    finetune("--clusters must be from 2 to 256", "1", "--mode=cluster", "--clusters=1"),
    finetune("No such export target", "watch", "--mode=qat", "--target=watch"),
]

# A stranger's models, in every command that takes one; odtf-finetune's are in tests/finetune/test_any_model.py.
LAMBDA, SAVED = "$stranger/lambda.keras", {"file": "$stranger/saved", "pixels": "0..255"}
REFUSED = "no other code is run for it"
OF_MODEL = ("--data=digits", "--labels=$stranger/labels.txt", "--pixels=0..1", "--output=$new")


def taught(teacher):
    return {**DIGITS, "method": {"name": "OfflineDistillation", "teacher": teacher}}


STRANGER = [
    changed({**DIGITS, "network": {"name": LAMBDA}}, REFUSED, "Lambda of keras.layers"),
    changed({**DIGITS, "network.init": LAMBDA}, REFUSED, "Lambda of keras.layers"),
    changed(taught(LAMBDA), REFUSED, "Lambda of keras.layers"),
    changed(taught(SAVED), "whoever trusts it adds --allow_code", "saved"),
    changed(taught({**SAVED, "file": "$stranger/deadly.tflite"}), "dies of it", "SIGSEGV"),
    export(REFUSED, "Lambda of keras.layers", f"--model={LAMBDA}", *OF_MODEL),
    export("a SavedModel may run any code|--model is a file", "saved", "--model=$stranger/saved", *OF_MODEL),
    export("an HDF5 file may hold code", r"model\.h5", "--model=$stranger/model.h5", *OF_MODEL),
    other("odtf-evaluate", "dies of it", "SIGSEGV from .*deadly", "$stranger/deadly.tflite", "--data=digits"),
    other("odtf-evaluate", "must be able to run", "lacks data", "$stranger/lacking.tflite", "--data=digits"),
    evaluate("in the range", "1000", "--data=digits", "--threads=1000"),
    other("odtf-predict", "dies of it", "SIGSEGV", "$stranger/deadly.tflite", "--images=$good"),
    other("odtf-predict", "in the range", "100000", "$config", "--images=$good", "--threads=100000"),
    other("odtf-store", REFUSED, "Lambda of keras.layers", *STORED, f"--teacher={LAMBDA}"),
    other("odtf-store", "adds --allow_code", "saved", *STORED, f"--teacher={json.dumps(SAVED)}"),
]

CASES = [
    *STRANGER,
    *FINETUNE,
    *FLAGS,
    *CONFIG_FILES,
    *DEVICES,
    *CONFIG,
    *DATA,
    *WORKDIR,
    *EXPORT,
    *BENCHMARK,
    *COMPARE,
    *STORE,
    *EVALUATE,
]
