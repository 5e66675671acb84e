import os
import signal
from threading import Thread

import pytest

from alula._core._shield import Shield


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    done: list[str] = []
    handler = signal.getsignal(signal.SIGINT)

    def step() -> None:
        with Shield():
            interrupt()
            with Shield():
                interrupt()
            done.append("whole")

    with pytest.raises(KeyboardInterrupt):
        step()
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_error_in_the_block_comes_through_without_an_interrupt() -> None:
    with pytest.raises(ValueError, match="mine"), Shield():
        raise ValueError("mine")


def test_other_threads_have_nothing_to_wait_for() -> None:
    seen: list[object] = []

    def work() -> None:
        with Shield():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
