"""However a process ends, is frozen or is forked, what it holds is seen to."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from os import WEXITED, WNOHANG, WNOWAIT
from signal import SIGKILL

import pytest
from celery import signals

import taximeter
from taximeter_producers.integrations.aws_lambda import flushed
from taximeter_producers.pool_ends import at_pool_end
from tests.builders import a_usage
from tests.waiting import eventually


class Flushed(taximeter.MemoryEmitter):
    """Remembers how long it was waited for."""

    def __init__(self, safe: bool = True) -> None:
        super().__init__()
        self.safe = safe
        self.waited: list[float | None] = []

    def flush(self, timeout: float | None = None) -> bool:
        """Say whether all is safe."""
        self.waited.append(timeout)
        return self.safe


class Context:
    """What Lambda says of an invocation."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        """Return how long it may still run."""
        return round(self._seconds * 1000)


@pytest.fixture(autouse=True)
def _no_meter_before_or_after() -> Iterator[None]:
    taximeter.stop()
    yield
    taximeter.stop()


@flushed
def answer(event: str, context: object) -> str:
    """Do as a function of Lambda does."""
    del context
    assert taximeter.start().emit(a_usage())
    return event.upper()


def test_a_function_is_flushed_before_it_answers() -> None:
    """Its answer stays its own, also where there is no meter to flush."""
    emitter = Flushed()
    taximeter.start(emitter)
    assert answer("taxi", None) == "TAXI"
    assert emitter.waited == [5.0]
    assert flushed(lambda event, _: event)("taxi", None) == "taxi"


def test_a_function_that_raises_is_flushed_too() -> None:
    """What it had called by then was billed."""
    emitter = Flushed()
    taximeter.start(emitter)
    with pytest.raises(AttributeError):
        answer(1, None)  # type: ignore[arg-type]
    assert (len(emitter.sent), emitter.waited) == (1, [5.0])


@pytest.mark.parametrize(("left", "waited"), [(60.0, 5.0), (2.0, 1.5), (0.1, 0.0)])
def test_flushing_leaves_time_to_answer(left: float, waited: float) -> None:
    """A Kafka that is away must not make the function run into its limit."""
    emitter = Flushed(safe=False)
    taximeter.start(emitter)
    assert answer("taxi", Context(left)) == "TAXI"
    assert emitter.waited == [waited]


def test_flush_is_of_the_process() -> None:
    """It says whether all is safe; without a meter everything is."""
    assert taximeter.flush()
    taximeter.start(Flushed(safe=False))
    assert not taximeter.flush(1)


def test_celery_says_when_a_process_of_its_pool_ends() -> None:
    """It ends them without telling Python."""
    ended: list[str] = []
    at_pool_end(lambda: ended.append("once"))
    signals.worker_process_shutdown.send(sender=None)
    assert ended == ["once"]


def test_a_child_can_start_though_another_thread_was_starting() -> None:
    """Who is forked in the middle of `start` must not wait for its parent's thread."""
    starting, forked = threading.Event(), threading.Event()

    class Slow(Flushed):
        """Takes its time while the meter is started."""

        def __bool__(self) -> bool:
            starting.set()
            return forked.wait(30)

    thread = threading.Thread(target=lambda: taximeter.start(Slow()))
    thread.start()
    assert starting.wait(30)
    child = os.fork()
    if not child:  # pragma: no cover - another process
        taximeter.start(taximeter.MemoryEmitter())
        os._exit(0)
    look = WNOHANG | WEXITED | WNOWAIT
    try:
        eventually(lambda: os.waitid(os.P_PID, child, look), 10)
    finally:
        os.kill(child, SIGKILL)
        assert os.waitpid(child, 0)[1] == 0
        forked.set()
        thread.join()
