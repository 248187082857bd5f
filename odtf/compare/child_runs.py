"""A training run in a process of its own, so that no run touches another's seeds or memory."""

import multiprocessing
import sys

from odtf import runs
from odtf.errors import UserError
from odtf.quiet import import_tensorflow
from odtf.training import config as config_lib


def train(config, workdir, allow_code=False):
    """Trains a config in a workdir; a run that is finished is read, one that was interrupted goes on.

    Args:
        config: `ConfigDict`.
        workdir: directory of the run.
        allow_code: as for `odtf.runs.train`.

    Returns:
        `odtf.runs.Run`.

    Raises:
        UserError: if the run fails, or the workdir holds the run of another config.
    """
    if not _is_finished(workdir):
        _in_a_process(config, workdir, allow_code)
    run = runs.Run(workdir, allow_code or runs.own_names(config))
    if changes := config_lib.differences(config_lib.to_json(run.config), config_lib.to_json(config)):
        raise UserError(
            f"The run in {workdir} has another config; another workdir would be right. Received: {'; '.join(changes)}."
        )
    return run


def _is_finished(workdir):
    """Whether a workdir has a report; one that is damaged is made anew, see `odtf.runs.train`."""
    try:
        return bool(runs.read_report(workdir))
    except UserError:
        return False


def _in_a_process(config, workdir, allow_code):
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    arguments = config_lib.to_json(config), str(workdir), allow_code, sender
    process = context.Process(target=_train_here, args=arguments)
    process.start()
    sender.close()  # The child has its own: where that ends without a word, receiving ends too.
    try:
        reason = receiver.recv()
    except EOFError:
        reason = None
    process.join()
    if reason or process.exitcode:
        # A bug has printed its traceback; what is wrong with the input is said here alone.
        raise UserError(
            f"The run in {workdir} failed; the same command tries it again. "
            f"{reason or f'It ended with status {process.exitcode}.'}"
        )


def _train_here(config, workdir, allow_code, failed):
    """What the child does: sends one line about what is wrong with the input, if something is."""
    try:
        config = config_lib.from_json(config)
        runs.check_claim(workdir, config)  # Before the seconds that importing TensorFlow takes.
        import_tensorflow()
        from odtf.training import experiment, strategy

        try:
            runs.train(config, workdir, strategy.make_placement(), allow_code)
        except experiment.Stopped as stopped:
            raise UserError(f"It {stopped}.") from stopped
    except UserError as error:
        failed.send(str(error))
        sys.exit(2)
