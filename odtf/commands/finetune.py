"""Fine-tunes the student of a finished run for its device, with the cohort as teacher; or any Keras model.

    odtf-finetune --workdir=runs/digits --mode=qat
    odtf-finetune --workdir=runs/digits --mode=pqat --sparsity=0.8 --sparsity_pattern=2:4
    odtf-finetune --model=FILE.keras --data=folder:photos --labels=labels.txt --pixels=-1..1 --mode=qat --output=DIR

qat: it learns to be rounded to int8. prune: most weights become zero. cluster: a kernel shares a few values.
pqat, cqat: one after the other, and what the first made stays. The same command goes on where it stopped.

In WORKDIR/finetune/MODE: config.json, a directory for each stage (log.jsonl, checkpoints/) and export/; in the run's
report.json a row of "finetuned".

--model takes a .keras file as odtf-export does: --labels says for which class each output stands, --pixels (or --mean
and --std) what the model takes, and where neither a flag nor the file says it, it is refused. Its teacher is the model
itself, as it was; images are not augmented. DIR/MODE has what WORKDIR/finetune/MODE has of a run, and
DIR/finetuned.json the rows.
"""

from importlib.util import find_spec

from absl import flags

from odtf import names, runs, workdir_lock
from odtf.commands import cli
from odtf.commands.model_flags import ModelFlags
from odtf.errors import UserError
from odtf.finetune import settings as settings_lib
from odtf.quiet import import_tensorflow
from odtf.targets import TARGETS

# What setup.cfg has in the extra "finetune".
_INSTALL = "pip install tensorflow-model-optimization tf_keras setuptools"
_DEFAULT = settings_lib.Settings(mode="qat")
_WORKDIR = flags.DEFINE_string("workdir", None, "A finished run of odtf-train.")
_MODE = flags.DEFINE_enum("mode", None, list(settings_lib.MODES), "What to do: qat, prune, cluster, pqat or cqat.")
_PEER = flags.DEFINE_string("peer", None, "The peer to fine-tune; the student that validation chose by default.")
_FLAGS = [
    _MODE,
    _PEER,
    flags.DEFINE_string("target", _DEFAULT.target, f"What the file is for: {names.listed(TARGETS)}."),
    flags.DEFINE_integer("epochs", _DEFAULT.epochs, "Epochs of each stage."),
    flags.DEFINE_float(
        "learning_rate",
        None,
        "Rate of the first step, falling to 0 along a cosine; by default a tenth of the run's, and 0.01 for a model.",
    ),
    flags.DEFINE_enum(
        "teacher",
        _DEFAULT.teacher,
        list(settings_lib.TEACHERS),
        "cohort: its online teacher or, where it has none, its ensemble; ensemble: the mean of the peers' logits; "
        "none: the labels alone. Of --model the first two are the model itself.",
    ),
    flags.DEFINE_float("temperature", _DEFAULT.temperature, "Temperature of the distillation."),
    flags.DEFINE_float("alpha", _DEFAULT.alpha, "Share of the distillation in the loss; the labels have the rest."),
    flags.DEFINE_float("sparsity", _DEFAULT.sparsity, "prune, pqat: share of zeros at the end."),
    flags.DEFINE_string(
        "sparsity_pattern",
        _DEFAULT.sparsity_pattern,
        "prune, pqat: unstructured; 2:4, two zeros in four neighbouring inputs, without --sparsity; or block:1x4, "
        "blocks of inputs x filters in 1x1 convolutions and dense layers.",
    ),
    flags.DEFINE_float("pruning_begin", _DEFAULT.pruning_begin, "When zeros begin to grow, as a share of the stage."),
    flags.DEFINE_float("pruning_end", _DEFAULT.pruning_end, "When they are as many as wanted."),
    flags.DEFINE_integer("clusters", _DEFAULT.clusters, "cluster, cqat: different values of a kernel."),
]
_ALLOW_CODE = cli.define_allow_code("the workdir")
_OF_MODEL = ModelFlags([_WORKDIR, _PEER, _ALLOW_CODE])
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "With --model: of the training.", lower_bound=1)


def _main(argv):
    cli.no_arguments(argv)
    if _OF_MODEL.are_given:
        _OF_MODEL.check()
    else:
        _OF_MODEL.refuse(_BATCH_SIZE)
        cli.required(_WORKDIR)
    cli.required(_MODE)
    settings = settings_lib.Settings(**{flag.name: flag.value for flag in _FLAGS})
    # Before the seconds that importing TensorFlow takes.
    settings_lib.check(settings)
    if not _OF_MODEL.are_given:
        runs.Run(_WORKDIR.value, _ALLOW_CODE.value).peer(settings.peer)
        workdir_lock.check(_WORKDIR.value)
    for module in ("tensorflow_model_optimization", "tf_keras"):
        if find_spec(module) is None:
            raise UserError(f"TFMOT is needed: {_INSTALL}. Received: no module {module}.")
    import_tensorflow()
    from odtf import export

    export.find_target(settings.target, "int8")
    from odtf.finetune.finetuning import finetune, finetune_model
    from odtf.finetune.summary import render
    from odtf.training.report import metric_of, task_row

    if _OF_MODEL.are_given:
        arguments = _OF_MODEL.arguments()
        row = finetune_model(**arguments, settings=settings, batch_size=_BATCH_SIZE.value)
        report = {"task": task_row(arguments["task"])}
    else:
        row = finetune(_WORKDIR.value, settings, _ALLOW_CODE.value)
        report = runs.read_report(_WORKDIR.value)
    print(f"\n{render(row, metric_of(report))}")


def main():
    """Entry point of `odtf-finetune`."""
    cli.run(_main, __doc__)


if __name__ == "__main__":
    main()
