"""Signals between steps."""

import os
import signal
import threading

import pytest

from wayscan.train.interruption import Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_noted_and_the_second_ends(number: signal.Signals):
    before = signal.getsignal(number)
    with Interruption() as interruption:
        assert interruption.signal == 0
        os.kill(os.getpid(), number)
        assert interruption.signal == number
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def test_other_threads_leave_signals_alone():
    problems = []

    def enter() -> None:
        try:
            with Interruption():
                pass
        except ValueError as error:  # what Python raises when a thread sets a handler
            problems.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert problems == []
