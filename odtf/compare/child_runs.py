"""A training run in a process of its own, so that no run touches another's seeds or memory."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing import resource_tracker

from odtf import runs, stopping, terminal
from odtf.errors import UserError
from odtf.quiet import import_tensorflow
from odtf.training import config as config_lib

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
        odtf.stopping.Stopped: after SIGTERM or Ctrl-C, when the run has saved everything.
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
    with stopping.Requests(then=lambda: process.pid and process.terminate()) as requests:
        with _signals_wait(), _without_the_current_folder():
            process.start()
        if requests.asked:
            process.terminate()
        sender.close()  # The child has its own: where that ends without a word, receiving ends too.
        reason = _last_word(process, receiver)
        if reason is None:
            requests.heed(f"stopped in {workdir}; the same command goes on from there")
    if reason or process.exitcode:
        # A bug has printed its traceback; what is wrong with the input is said here alone.
        raise UserError(
            f"The run in {workdir} failed; the same command tries it again. "
            f"{reason or f'It ended with status {process.exitcode}.'}"
        )


@contextlib.contextmanager
def _signals_wait():
    """Holds back signals while a process is started, which inherits that: it lets them through when it can take them.

    Ctrl-C at a terminal reaches it too.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows.
        yield
        return
    resource_tracker.ensure_running()  # Started by the first process, it would let them through.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _without_the_current_folder():
    """A process that is started meanwhile imports nothing of where the command was started; since Python 3.11."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTHONSAFEPATH"]
        if before is not None:
            os.environ["PYTHONSAFEPATH"] = before


def _last_word(process, receiver):
    """Waits for the end of a process and returns what it had to say, or None."""
    try:
        return receiver.recv()
    except EOFError:
        return None
    except KeyboardInterrupt:  # The second one.
        process.kill()
        raise
    finally:
        process.join()


def _train_here(config, workdir, allow_code, failed):
    """What the child does: sends one line about what is wrong with the input, if something is."""
    terminal.keep_going()
    # Of Ctrl-C it learns by its parent, which sends SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopping.end_at_once()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        _train(config, workdir, allow_code)
    except UserError as error:
        with contextlib.suppress(OSError):  # Nobody listens any more.
            failed.send(str(error))
        sys.exit(2)
    except (KeyboardInterrupt, stopping.Stopped):
        sys.exit(stopping.TERMINATED)  # Its parent knows why.


def _train(config, workdir, allow_code):
    config = config_lib.from_json(config)
    runs.check_claim(workdir, config)  # Before the seconds that importing TensorFlow takes.
    import_tensorflow()
    from odtf.training import strategy

    runs.train(config, workdir, strategy.make_placement(), allow_code)


def _end_with_parent():
    """Sends this process SIGTERM when its parent ends, however that does."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)
