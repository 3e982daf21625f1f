"""Batches as messages of Faust's: what it remembers of them, and how many wait."""

from __future__ import annotations

from typing import Any

import pytest
from faust.types import TP

from taximeter_processors.app import WorkerConfig, create_app
from taximeter_processors.price_versions import PriceBooks

USAGE = TP("usage", 0)


@pytest.fixture
async def consumer() -> Any:  # noqa: ANN401 - most of what is looked at is Faust's own
    """Make a worker's consumer; nothing is connected."""
    app = create_app(WorkerConfig("nowhere:9092"), PriceBooks({}, "none"))
    return app._new_consumer()


async def _read(consumer: Any, first: int, batches: int, records: int) -> int:  # noqa: ANN401
    """Have batches read and finished, as Faust would; return what comes next."""
    for offset in range(first + records - 1, first + batches * records, records):
        await consumer._add_gap(USAGE, offset - records + 1, offset)
        consumer._acked[USAGE].append(offset)
    return first + batches * records


async def test_all_that_was_done_is_committed_and_forgotten(consumer: Any) -> None:  # noqa: ANN401
    """However many batches there were: none of their offsets stays in memory."""
    behind = 0
    for _ in range(3):
        behind = await _read(consumer, behind, batches=50, records=10)
        assert consumer._new_offset(USAGE) == behind
        consumer._committed_offset[USAGE] = behind
        assert (len(consumer._acked[USAGE]), len(consumer._gap[USAGE])) == (0, 0)


async def test_a_batch_that_is_not_done_is_not_committed(consumer: Any) -> None:  # noqa: ANN401
    """Nor what comes behind it; but for its last record it counts as a gap."""
    behind = await _read(consumer, 0, batches=5, records=10)
    await consumer._add_gap(USAGE, behind, behind + 9)
    await _read(consumer, behind + 10, batches=2, records=10)
    assert consumer._new_offset(USAGE) == behind + 9
