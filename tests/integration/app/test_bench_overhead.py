"""What the bench says of metering's cost, in figures too small to mean anything."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import pytest

import taximeter
from taximeter.bench.measures.added import rows_of
from taximeter.bench.tasks import added, backlog, outage
from taximeter.bench.traffic import Traffic
from taximeter.bench.troubled import TROUBLES
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.topics import Topics

pytestmark = [pytest.mark.broker, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def _no_meter_before_or_after() -> Iterator[None]:
    taximeter.stop()
    yield
    taximeter.stop()


async def test_each_integration_is_measured_or_not_installed(
    bootstrap: str, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that is missing is said to be, and the others are measured."""
    monkeypatch.setitem(sys.modules, "cohere", None)
    chosen = ["openai", "openai, async", "openai, stream", "cohere", "@metered", "emit"]
    facts = {"bootstrap": bootstrap, "prefix": topics.prefix, "calls": 5}
    found = await asyncio.to_thread(added.run, facts | {"only": chosen})
    assert [name for name, told in found.items() if told is None] == ["cohere"]
    p50, p99 = rows_of(found, 5)
    assert p50.parts is not None
    assert (list(p50.parts), p50.parts["cohere"]) == (chosen, None)
    assert p50.value == max(added for added in p50.parts.values() if added is not None)
    assert "cohere not installed" in p99.detail


async def test_calls_in_trouble_are_counted(bootstrap: str, topics: Topics) -> None:
    """Each trouble has its calls, and what they emitted arrives when it is over."""
    facts = {"bootstrap": bootstrap, "prefix": topics.prefix, "seconds": 0.1}
    found = await asyncio.to_thread(outage.run, facts)
    assert list(found) == list(TROUBLES)
    for told in found.values():
        assert told["calls"] > 0
        assert (told["failed"], told["arrived"]) == (0, True)


def test_a_backlog_is_bounded() -> None:
    """What is taken is what may wait; all else is refused."""
    traffic = Traffic(SystemClock().now()).facts()
    found = backlog.run({"events": 200, "traffic": traffic})
    assert (found["taken"], found["refused"]) == (200, 100)
