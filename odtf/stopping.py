"""Signals that ask a program to end: a run saves first, whatever else a command does ends at once."""

import signal

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class Stopped(Exception):
    """A run was asked to stop and has saved its state; the text says how far it got.

    Args:
        text: one line.
        status: exit status of the command: 0 after SIGTERM, 130 after Ctrl-C.
    """

    def __init__(self, text, status=0):
        super().__init__(text)
        self.status = status


class Terminated(KeyboardInterrupt):
    """SIGTERM where nothing needs to be saved: like Ctrl-C, so that what is open is closed and swept."""


def end_at_once():
    """Has SIGTERM raise `Terminated`, as Ctrl-C raises KeyboardInterrupt."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(*_):
    raise Terminated


class Requests:
    """A context in which SIGTERM and Ctrl-C are requests: what runs in it asks for them, and ends where it can.

    A second Ctrl-C raises KeyboardInterrupt. Where Ctrl-C is ignored, as in a script's background job, it stays so.

    Args:
        then: callable that is called at each request, inside the handler; None for nothing.

    Attributes:
        asked: bool, whether there was a request.
    """

    def __init__(self, then=None):
        self.asked = False
        self._status = 0
        self._then = then
        self._previous = {}

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        for number, handler in self._previous.items():
            signal.signal(number, handler or signal.SIG_DFL)
        self._previous = {}

    def _note(self, number, _):
        if number == signal.SIGINT:
            if self._status:
                raise KeyboardInterrupt
            self._status = INTERRUPTED
        self.asked = True
        if self._then is not None:
            self._then()

    def heed(self, text):
        """Raises `Stopped` with a text, if there was a request."""
        if self.asked:
            raise Stopped(text, self._status)
