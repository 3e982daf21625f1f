"""What every fault test ends with: each event charged once, every book agrees.

What must be is computed from the events that were sent, without the worker's code;
then the product's own audit has to find nothing either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from pydantic_core import from_json

from taximeter.audit import AuditResult, audit
from taximeter_schemas.usage import UsageRecorded
from taximeter_sinks.decode import Place
from taximeter_sinks.queries import Ledger
from taximeter_sinks.sink import Progress, SinkConfig, run_sink
from tests.faults.installations import Installation
from tests.faults.stream import LONG, Stream, cost_of
from tests.integration.processors.broker_side import BrokerSide, event_id
from tests.waiting import eventually_async

__all__ = ["assert_books", "assert_ledger", "audited", "charged"]

# What is read again and again has a hundred thousand charges in the long form.
_CHARGED_SECONDS = 400.0 if LONG else 120.0
_STATUS_SECONDS = 120.0 if LONG else 30.0
_SINK_SECONDS = 400.0 if LONG else 120.0
_ALERTS = """
    SELECT budget_id, subject_id, threshold_percent FROM alerts
    WHERE threshold_percent IS NOT NULL ORDER BY ALL
"""


async def assert_books(place: Installation, stream: Stream) -> AuditResult:
    """Charges, spend, statuses and alerts are what the calls say; the audit is 0."""
    side = place.side
    await charged(side, len(stream.calls))
    expected = {call.event_id: cost_of(call) for call in stream.calls}
    charges = await side.charges()
    assert {event_id(charge): charge.cost_usd for charge in charges} == expected
    assert len(charges) == len(stream.calls)

    result = await assert_ledger(place, stream)
    alerts = await side.alerts()
    raised = [(a.budget_id, a.subject_id, a.threshold_percent) for a in alerts]
    assert sorted(raised) == _crossed(stream)
    assert len({alert.alert_id for alert in alerts}) == len(alerts)
    return result


async def assert_ledger(place: Installation, stream: Stream) -> AuditResult:
    """Spend, statuses, ledger and audit agree, whatever was sent to the sink twice."""
    calls, spent = len(stream.calls), _spent(stream.calls)
    await _statuses_say(place.side, spent)
    assert (await place.side.spend())["all", ""] == (spent["all", ""], calls)
    result, raised = await audited(place)
    assert raised == _crossed(stream)
    assert raised
    assert result.findings == []
    assert result.difference_usd == Decimal(0)
    assert result.total("events") == result.total("ledger_rows") == calls
    assert result.total("unprocessed") == 0
    assert result.duplicates_in_ledger == 0
    assert not any(result.misrolled.values())
    return result


async def charged(
    side: BrokerSide,
    count: int,
    timeout: float = _CHARGED_SECONDS,
    *,
    apart: bool = False,
) -> None:
    """Wait until there are this many charges, or too many; `apart`, but for copies."""

    async def there() -> bool:
        records = [record.value for record in await side.read(side.topics.charges)]
        different = set(records) if apart else records
        found = sum(len(from_json(value)) for value in different)
        assert found >= count, f"{found} of {count}"
        return True

    await eventually_async(there, timeout)


async def audited(
    place: Installation,
) -> tuple[AuditResult, list[tuple[object, ...]]]:
    """Carry everything into a fresh ledger; audit it, and return its alerts too."""
    side, path = place.side, place.home / f"{place.side.topics.prefix}duckdb"
    await _carried(side, path)
    result = await audit(side.bootstrap, side.topics, lambda: Ledger.open(path))
    with Ledger.open(path) as ledger:
        return result, ledger.sql(_ALERTS).rows


async def _carried(side: BrokerSide, ledger: Path) -> None:
    """Run a sink until all charges and alerts that there are now are in the ledger."""
    topics = (side.topics.charges, side.topics.budget_alerts)
    left = {
        Place(topic.name, record.partition): record.offset
        for topic in topics
        for record in await side.read(topic)
    }
    stop = asyncio.Event()

    def flushed(progress: Progress) -> None:
        for place, next_offset in progress.flushed.next_offsets.items():
            if left.get(place, next_offset) < next_offset:
                del left[place]
        if not left:
            stop.set()

    config = SinkConfig(side.bootstrap, side.topics, ledger, "a-token")
    async with asyncio.timeout(_SINK_SECONDS):
        await run_sink(config, stop, on_flush=flushed)


def _spent(calls: Sequence[UsageRecorded]) -> dict[tuple[str, str], Decimal]:
    spent: dict[tuple[str, str], Decimal] = {}
    for call in calls:
        for account in (("all", ""), ("each", call.user_id)):
            spent[account] = spent.get(account, Decimal(0)) + cost_of(call)
    return spent


def _crossed(stream: Stream) -> list[tuple[str, str, int]]:
    limits = {budget.budget_id: budget for budget in stream.budgets}
    return sorted(
        (budget, subject, percent)
        for (budget, subject), usd in _spent(stream.calls).items()
        for percent in limits[budget].thresholds_percent
        if usd * 100 >= percent * (limits[budget].limit or 0)
    )


async def _statuses_say(
    side: BrokerSide, spent: dict[tuple[str, str], Decimal]
) -> None:
    kind = {"all": "all", "each": "user"}
    must = {
        f"{b}|{kind[b]}|{subject}|total": usd for (b, subject), usd in spent.items()
    }

    async def known() -> bool:
        found = await side.statuses()
        assert {key: status.spent_usd for key, status in found.items()} == must
        return True

    await eventually_async(known, _STATUS_SECONDS)
