"""A sink killed between any two steps of its transaction: the next one goes on."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from taximeter.audit import audit
from taximeter.reading import open_ledger
from taximeter.state import DataDir
from taximeter_schemas.fault_points import SINK_POINTS, VARIABLE
from tests.faults.books import charged
from tests.faults.installations import Installation
from tests.faults.stream import a_stream, flow
from tests.running_system import TAXIMETER, environment
from tests.waiting import eventually

pytestmark = pytest.mark.broker

# In the middle: the flush before it was committed.
TIMES = 2
LEG_SECONDS = 1.5
PATIENCE_SECONDS = 60.0


@contextmanager
def a_sink(place: Installation, **asked: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a sink as a deployment does, with a fault point if one is asked for."""
    where = ("--data", str(place.home), "--bootstrap", place.side.bootstrap)
    prefix = ("--prefix", place.side.topics.prefix)
    sink = subprocess.Popen(
        [*TAXIMETER, "sink", *where, *prefix], env=environment() | asked
    )
    try:
        eventually(lambda: served_by(place, sink), PATIENCE_SECONDS)
        yield sink
    finally:
        sink.terminate()
        sink.wait(PATIENCE_SECONDS)


def served_by(place: Installation, sink: subprocess.Popen[bytes]) -> bool:
    """Tell whether this sink has said that it serves the ledger."""
    state = DataDir(place.home).state("sink")
    assert sink.poll() is None
    return state is not None and state.pid == sink.pid and "quack" in state.urls


def rows(data: DataDir) -> tuple[int, int]:
    """Return how many charges the ledger has, and of how many events."""
    with open_ledger(data, PATIENCE_SECONDS) as ledger:
        counted = ledger.sql("SELECT count(*), count(DISTINCT event_id) FROM charges")
    ((charges, events),) = counted.rows
    return int(str(charges)), int(str(events))


def died_of(sink: subprocess.Popen[bytes], point: str) -> bool:
    """Wait for the sink's end, and tell whether that place was what ended it."""
    code = sink.wait(PATIENCE_SECONDS)
    assert code == -signal.SIGKILL, (point, code)
    return True


async def test_a_sink_killed_inside_its_transaction_leaves_no_gap_and_no_double_row(
    place: Installation,
) -> None:
    """Between rows, offsets and commit: the ledger has each charge once all the same.

    What is there after a death is whole flushes: killed before the commit it is what
    was there before, killed behind it all of it.
    """
    stream, data = a_stream(4_000), DataDir(place.home)
    place.workers.start().ready()
    *parts, rest = stream.parts(len(SINK_POINTS) + 1)
    before = 0
    for point, part in zip(SINK_POINTS, parts, strict=True):
        with a_sink(place, **{VARIABLE: f"{point}:{TIMES}"}) as sink:
            await flow(place.side, part, LEG_SECONDS)
            assert await asyncio.to_thread(died_of, sink, point)
        charges, events = await asyncio.to_thread(rows, data)
        assert before < charges == events < len(stream.calls), point
        before = charges
    with a_sink(place):
        await flow(place.side, rest, LEG_SECONDS)
        await charged(place.side, len(stream.calls))

        def all_in() -> bool:
            return rows(data) == (len(stream.calls),) * 2

        await asyncio.to_thread(eventually, all_in, PATIENCE_SECONDS)
        result = await audit(
            place.side.bootstrap,
            place.side.topics,
            lambda: open_ledger(data, PATIENCE_SECONDS),
        )
    assert result.findings == []
    assert result.duplicates_in_ledger == 0
    assert result.misrolled
    assert not any(result.misrolled.values())
    assert result.total("ledger_rows") == len(stream.calls)
