"""What comes before the first step of a run: its data, its cohort, its optimizer, and what would be refused later."""

from odtf import data, paths, quantization
from odtf.errors import UserError
from odtf.models.graphless import hides_softmax
from odtf.training import cohorts, config_checks, config_data, data_record, own_losses, recipes
from odtf.training.experiment import Experiment
from odtf.training.schedules import make_optimizer, make_schedule


def prepare(config, workdir, placement, load_teacher, *, load_start=None, download=False):
    """Builds all that a run needs; writes nothing to the workdir.

    Args:
        config: `ConfigDict`, as `odtf.training.config.default_config` has it.
        workdir: directory of the run.
        placement: `odtf.training.strategy.Placement`.
        load_teacher: as for `odtf.training.cohorts.make_method`.
        load_start: likewise.
        download: bool, whether a data set that is not prepared is downloaded.

    Returns:
        `Experiment`.

    Raises:
        UserError: on bad input.
    """
    config_checks.check(config)
    _check_devices(config, placement)
    cohorts.set_runtime(config)
    cohorts.rehearse(config, load_teacher, load_start)
    if download:
        for said in ({"name": config.data.name}, *config.data.domains):
            data.download(said["name"], config.data.data_dir)
    answers = config_data.stored_answers(config)
    dataset, domains = _load_data(config, workdir, placement, answers)
    pipeline = config_data.make_pipeline(config, dataset, domains, answers)
    synchronized = config.sync_batch_norm and placement.num_replicas > 1
    with placement.strategy.scope():
        method = cohorts.make_method(
            config,
            dataset.info,
            load_teacher,
            load_start=load_start,
            synchronized=synchronized,
            input_range=quantization.pixel_range(dataset.mean, dataset.std),
        )
        method.task.observe(dataset)
        _check_views(config, method)
        _check_labels(config, method)
        _check_mixed(config, method, pipeline)
        _check_exportable(config, method)
        epochs = method.schedule_epochs(config.epochs)
        schedule = make_schedule(config.schedule, pipeline.steps_per_epoch, epochs)
        optimizer = make_optimizer(config.optimizer, schedule)
        recipes.install(config, method, dataset.image_shape, pipeline.steps_per_epoch)
        method.compile(
            optimizer,
            weight_decay=config.weight_decay,
            jit_compile=config.jit,
            steps_per_epoch=pipeline.steps_per_epoch,
        )
    own_losses.check(method, dataset.image_shape, config.data.num_views, config.epochs, placement.strategy)
    return Experiment(config, paths.at(workdir), placement, dataset, pipeline, method)


def _load_data(config, workdir, placement, answers):
    """Returns data set and domains: those that the run was begun with, where it was."""
    dataset = config_data.load_dataset(config)
    if not data_record.is_begun(workdir):
        return dataset, config_data.load_domains(config, dataset)
    record = data_record.read(workdir)
    dataset, _ = data_record.opened(workdir, dataset, record, print if placement.is_chief else lambda line: None)
    domains = config_data.load_domains(config, dataset)
    if record is not None:
        data_record.check_same(workdir, data_record.changes(record, data_record.of(dataset, domains, answers)))
    return dataset, domains


def _check_devices(config, placement):
    if config.jit and placement.on_cpu:
        raise UserError(
            "config.jit must be False on a CPU: XLA makes cheap convolutions many times slower there. Received: True."
        )
    if config.batch_size % placement.num_replicas:
        raise UserError(
            "config.batch_size is the global batch, which all replicas share: it must be a multiple of "
            f"{placement.num_replicas}. Received: {config.batch_size}."
        )
    clips = [key for key in ("clipnorm", "clipvalue", "global_clipnorm") if config.optimizer.get(key) is not None]
    if clips and placement.num_replicas > 1:
        raise UserError(
            f"config.optimizer.{clips[0]} must be left out on several replicas: it would clip the gradient of each by "
            f"itself, not that of the batch. Received: {config.optimizer[clips[0]]} on {placement.num_replicas}."
        )


def _check_views(config, method):
    """Raises UserError if some views of an image would reach no peer: peer j sees view j, modulo their number."""
    if config.data.num_views > max(1, len(method.peers)):
        raise UserError(
            f"config.data.num_views must be at most {len(method.peers)}, the networks of config.method, each of which "
            f"sees one view. Received: {config.data.num_views}."
        )


def _check_labels(config, method):
    unlabelled = [domain["name"] for domain in config.data.domains if not domain.get("labels", True)]
    if unlabelled and method.divergence.needs_labels:
        raise UserError(
            f"The divergence {method.divergence.name!r} needs the labels of all images, which a domain of "
            f"config.data.domains has not. Received: {unlabelled[0]!r} with labels=False."
        )


def _check_mixed(config, method, pipeline):
    """Raises UserError if labels are mixed for a task, a method or a divergence that takes none such."""
    if not pipeline.mixes:
        return
    takes = {
        f"the task {method.task.name!r}": method.task.mixes,
        f"the method {config.method.name!r}": method.mixes,
        f"the divergence {method.divergence.name!r}": not method.divergence.needs_labels,
    }
    if refusing := [name for name, yes in takes.items() if not yes]:
        raise UserError(
            "config.data.augment.mixup and cutmix mix labels, for tasks, methods and divergences that take "
            f"distributions over the classes: 0 would be right for both. Received: {refusing[0]}."
        )


def _check_exportable(config, method):
    """Finds before the training what an export after it would refuse."""
    if not config.export.targets:
        return
    for name in method.students:
        if hides_softmax(method.peers[name], method.task.output):
            raise UserError(
                f"{name} answers with logarithms of probabilities, as a subclassed model with a softmax does, which no "
                "file for a device has; a model that answers with logits, or config.export.targets=(), would be right. "
                f"Received: {method.specifications.get(name, {}).get('name', name)}."
            )
        if method.quantization is None:
            continue
        if layers := quantization.unquantized(method.peers[name], method.task.output):
            raise UserError(
                f"config.quantization.aware needs students all of whose layers train quantised; {name} has others. "
                f"Another student, or config.export.targets=() would be right. Received: {', '.join(layers[:3])}."
            )
