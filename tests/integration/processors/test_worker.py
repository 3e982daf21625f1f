"""A real worker on a real Kafka: events in; charges, alerts, dead letters out."""

from __future__ import annotations

import gzip
import json
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from taximeter_schemas.budgets import BudgetDefined, BudgetRemoved
from taximeter_schemas.charges import UsagePriced
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.records import encode_event, packed, usage_partition
from taximeter_schemas.subjects import Scope
from taximeter_schemas.usage import Usage, UsageRecorded
from tests.builders import a_usage, an_id
from tests.integration.processors.broker_side import BrokerSide, event_id
from tests.integration.processors.workers import Workers
from tests.waiting import eventually_async

pytestmark = pytest.mark.broker

NOW = SystemClock().now()
GOLDEN = Path(__file__).parents[2] / "contract" / "golden" / "v1"
# 1000 tokens in at 3 USD a million, 200 out at 15 USD a million.
COST = Decimal("0.006")


def calls(count: int, **overrides: object) -> list[UsageRecorded]:
    """Return calls of today, each of which costs the same."""
    return [a_usage(**({"occurred_at": NOW} | overrides)) for _ in range(count)]


def a_budget(**overrides: object) -> BudgetDefined:
    """Return a budget of 1 USD over all time."""
    fields = {
        "budget_id": "everything",
        "period": "total",
        "limit_usd": "1",
        "defined_at": NOW - timedelta(days=1),
    }
    return BudgetDefined.model_validate(fields | overrides)


async def charged(side: BrokerSide, count: int, timeout: float = 20.0) -> None:
    """Wait until there are this many charges."""

    async def there() -> bool:
        assert len(await side.charges()) == count
        return True

    await eventually_async(there, timeout)


async def spent(side: BrokerSide, key: str, usd: Decimal) -> None:
    """Wait until a budget's status says this much was spent."""

    async def there() -> bool:
        statuses = await side.statuses()
        assert key in statuses, statuses
        assert statuses[key].spent_usd == usd
        return True

    await eventually_async(there, 20)


async def test_calls_become_money_alerts_and_statuses(
    side: BrokerSide, workers: Workers
) -> None:
    """Each event is charged once and exactly, counted for each subject and budget."""
    daily = a_budget(
        budget_id="each", scope=Scope(user="*"), period="day", limit_usd="0.5"
    )
    await side.define(a_budget(), daily)
    events = calls(60, user_id="ada") + calls(100, user_id="grace")
    worker = workers.start().ready()
    await side.emit([*events, *events[:7]])
    await side.put(b" %b\n" % encode_event(calls(1)[0]))
    await charged(side, 161)

    charges = await side.charges()
    assert {event_id(c) for c in charges} >= {event.event_id for event in events}
    assert {charge.cost_usd for charge in charges} == {COST}
    await spent(side, "everything|all||total", COST * 161)
    start = NOW.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    await spent(side, f"each|user|grace|{start.isoformat()}", COST * 100)

    spend = await side.spend()
    assert spend["all", ""] == (COST * 161, 161)
    assert spend["user", "ada"] == (COST * 60, 60)
    assert spend["model", "claude-sonnet-4-5"] == (COST * 161, 161)
    assert spend["project", "search"] == (COST * 161, 161)
    alerts = Counter(
        (a.budget_id, a.subject_id, a.threshold_percent) for a in await side.alerts()
    )
    assert alerts == {
        **{("everything", "", percent): 1 for percent in (50, 80, 90)},
        ("each", "ada", 50): 1,
        **{("each", "grace", percent): 1 for percent in (50, 80, 90, 100)},
    }
    # mode's loggers cost an eighth of the time if they are left at DEBUG.
    for level in worker.facts()[0]["levels"].values():
        assert level >= logging.WARNING
    assert worker.stop() == 0


async def test_a_worker_says_how_it_stands(side: BrokerSide, workers: Workers) -> None:
    """Its reports count what it did, and know that nothing waits any more."""
    worker = workers.start().ready()
    events = calls(30)
    await side.emit([*events, *events[:3]])
    await side.put(b"{")

    async def told() -> bool:
        report = worker.facts()[-1]
        assert (report.get("events"), report.get("duplicates")) == (30, 3)
        assert (report["dead_letters"], report["remembered_ids"]) == (1, 30)
        assert list(report["lag"]) == [side.topics.usage.name]
        assert set(report["lag"][side.topics.usage.name].values()) == {0}
        assert report["spend_rows"] > 0
        return True

    await eventually_async(told, 30)


async def test_a_charge_says_when_kafka_took_the_event(
    side: BrokerSide, workers: Workers
) -> None:
    """`recorded_at` and origin are the record's own, to the millisecond."""
    for event in calls(20):
        await side.emit([event])
    workers.start().ready()
    await charged(side, 20)
    taken = {(r.partition, r.offset): r.at for r in await side.read(side.topics.usage)}
    for charge in await side.charges():
        place = charge.source_partition, charge.source_offset
        assert charge.recorded_at == taken[place]


def changed(**fields: object) -> bytes:
    """Return an event's JSON with some fields as nobody should send them."""
    return json.dumps(json.loads(encode_event(calls(1)[0])) | fields).encode()


def _same(payload: bytes, value: bytes) -> bool:
    # An event that is valid but for its time is kept as the reader writes it.
    if payload == value:
        return True
    kept, sent = map(UsageRecorded.model_validate_json, (payload, value))
    return kept == sent


BAD = {
    "a broken line": (b'{"event_id": ', "not_json", ""),
    "an unknown field": (changed(colour="red"), "invalid_event", "colour"),
    "a negative count": (
        changed(usage={"text_input_tokens": -1}),
        "invalid_event",
        "usage.text_input_tokens",
    ),
    "no time zone": (
        changed(occurred_at="2026-11-22T12:00:00"),
        "invalid_event",
        "occurred_at",
    ),
    "ten years ahead": (
        changed(occurred_at=(NOW + timedelta(days=3650)).isoformat()),
        "from_the_future",
        "occurred_at",
    ),
    "an unknown version": (
        changed(schema_version=7),
        "unknown_schema_version",
        "schema_version",
    ),
    "a usage nobody understood": (
        (GOLDEN / "UsageNotUnderstood.json").read_bytes(),
        "usage_not_understood",
        "usage.input_tokens",
    ),
    "2 MB": (changed(user_id="x" * 2_000_000), "invalid_event", "user_id"),
    "no object": (b'"hello"', "not_an_event", ""),
    "nothing": (None, "not_json", ""),
}


async def _has_letters(side: BrokerSide, count: int) -> bool:
    return len(await side.dead_letters()) >= count


async def test_bad_input_is_kept_and_the_worker_goes_on(
    side: BrokerSide, workers: Workers
) -> None:
    """Each bad record is a dead letter with its reason and bytes; good ones count."""
    good = calls(3)
    own = [usage_partition(event.event_id, 4) for event in good]
    workers.start().ready()
    async with side.producer(
        compression_type="gzip", max_request_size=4_000_000
    ) as producer:
        for value, _, _ in BAD.values():
            await producer.send_and_wait(
                side.topics.usage.name, value, key=b"bad", partition=0
            )
    await side.put(packed([encode_event(good[0]), changed(x=1)]), partition=own[0])
    await side.put(encode_event(good[1]), partition=own[1])
    await side.emit(calls(1, model="nobody-knows-its-price"))
    await charged(side, 3)

    charges = {event_id(charge): charge for charge in await side.charges()}
    assert charges[good[0].event_id].cost_usd == COST
    unpriced = [charge for charge in charges.values() if charge.cost_usd is None]
    assert [charge.unpriced_reason for charge in unpriced] == ["unknown_model"]
    assert (await side.spend())["model", "nobody-knows-its-price"] == (Decimal(0), 1)

    # They are of the charges' transaction, but in a partition with a marker of its own.
    await eventually_async(lambda: _has_letters(side, len(BAD) + 1), 20)
    letters = await side.dead_letters()
    alone = [letter for letter in letters if letter.origin_position is None]
    assert len({letter.key for letter in letters}) == len(letters) == len(BAD) + 1
    by_offset = {
        letter.origin_offset: letter for letter in alone if letter.origin_partition == 0
    }
    first = min(by_offset)
    for offset, (value, reason, detail) in enumerate(BAD.values(), first):
        letter = by_offset[offset]
        assert letter.reason == reason
        assert _same(letter.payload, value or b"")
        assert detail in letter.detail
    (in_array,) = [letter for letter in letters if letter.origin_position == 1]
    assert in_array.origin_partition == own[0]
    assert "x" in in_array.detail
    # gzip made a record of 2 MB small enough for the topic; uncompressed it is not.
    assert len(gzip.compress(BAD["2 MB"][0] or b"")) < 1_000_000


async def test_events_from_the_earliest_moments_stop_nothing(
    side: BrokerSide, workers: Workers
) -> None:
    """A clock that was reset to 2000 is a valid time, in a week that began before."""
    await side.define(a_budget(period="week", limit_usd="0.001"))
    await side.emit(calls(1, occurred_at=datetime(2000, 1, 1, tzinfo=UTC)))
    worker = workers.start().ready()
    await spent(side, "everything|all||1999-12-27T00:00:00+00:00", COST)
    await side.emit(calls(1))
    await charged(side, 2)
    assert worker.runs


async def test_a_misplaced_event_is_counted_once(
    side: BrokerSide, workers: Workers
) -> None:
    """Sent into every partition by somebody who does not know better: one charge."""
    event, other = calls(2)
    workers.start().ready()
    for partition in range(4):
        await side.put(encode_event(event), partition=partition)
    own = usage_partition(other.event_id, 4)
    await side.put(encode_event(other), partition=(own + 1) % 4)
    await charged(side, 2)
    placed = {event_id(c): c.source_partition for c in await side.charges()}
    assert placed == {
        e.event_id: usage_partition(e.event_id, 4) for e in (event, other)
    }
    assert (await side.spend())["all", ""] == (COST * 2, 2)


async def test_only_committed_events_count(side: BrokerSide, workers: Workers) -> None:
    """A transaction that did not come about is not charged; its marks stop nothing."""
    kept, dropped, after = [calls(5) for _ in range(3)]
    workers.start().ready()
    async with side.producer(
        transactional_id=f"{side.topics.prefix}foreign"
    ) as foreign:
        for events, commit in ((kept, True), (dropped, False), (after, True)):
            await foreign.begin_transaction()
            for event in events:
                await foreign.send_and_wait(
                    side.topics.usage.name, encode_event(event), partition=0
                )
            if commit:
                await foreign.commit_transaction()
            else:
                await foreign.abort_transaction()
    await charged(side, 10)
    counted = {event_id(charge) for charge in await side.charges()}
    assert counted == {event.event_id for event in [*kept, *after]}
    await side.emit([*calls(4), *kept])
    await charged(side, 14)


async def test_state_outlives_the_worker(side: BrokerSide, workers: Workers) -> None:
    """A new worker goes on from sums, ids and latches of the one that was stopped."""
    await side.define(a_budget(limit_usd="0.06"))
    events = calls(9)
    first = workers.start().ready()
    await side.emit(events)
    await spent(side, "everything|all||total", COST * 9)
    assert first.stop() == 0
    more = calls(5)
    await side.emit([*events, *more])
    workers.start().ready()
    await charged(side, 14)
    await spent(side, "everything|all||total", COST * 14)
    assert (await side.spend())["all", ""] == (COST * 14, 14)
    thresholds = [alert.threshold_percent for alert in await side.alerts()]
    assert sorted(thresholds) == [50, 80, 90, 100]


async def test_an_agent_that_raises_loses_nothing(
    side: BrokerSide, workers: Workers, tmp_path: Path
) -> None:
    """An error in the middle of a record ends the process; the record comes again.

    What was half applied is written by nobody, so that spend and charges agree.
    """
    events = [call for call in calls(40) if usage_partition(call.event_id, 4) == 0]
    trip = next(
        c for c in calls(40, model="trip") if usage_partition(c.event_id, 4) == 0
    )
    await side.emit(events[:2])
    await side.emit([*events[2:], trip])
    failing = workers.start(str(tmp_path / "failed-once")).ready()
    assert failing.ended() != 0
    assert len(await side.charges()) in (0, 2)
    workers.start().ready()
    await charged(side, len(events) + 1)
    charged_ids = {event_id(charge) for charge in await side.charges()}
    assert charged_ids == {event.event_id for event in [*events, trip]}
    assert (await side.spend())["all", ""] == (COST * len(events), len(events) + 1)


async def test_budgets_come_and_go_while_the_worker_runs(
    side: BrokerSide, workers: Workers
) -> None:
    """Defined later, a budget counts what was spent; removed, it says nothing more."""
    workers.start().ready()
    await side.emit(calls(10))
    await charged(side, 10)
    await side.define(a_budget(limit_usd="0.1"), a_budget(budget_id="other"))
    await spent(side, "everything|all||total", COST * 10)
    await spent(side, "other|all||total", COST * 10)
    await side.define(
        BudgetRemoved(
            event_type="BudgetRemoved", budget_id="everything", removed_at=NOW
        )
    )
    await side.define(a_budget(budget_id="later"))
    await spent(side, "later|all||total", COST * 10)
    await side.emit(calls(10))
    await spent(side, "other|all||total", COST * 20)
    raised = [(a.budget_id, a.threshold_percent) for a in await side.alerts()]
    assert raised == [("everything", 50)]


async def test_a_budget_for_a_tag_counts_what_was_spent_before_it(
    side: BrokerSide, workers: Workers
) -> None:
    """Nobody kept its sums until then; a worker killed meanwhile loses none of them."""
    worker = workers.start().ready()
    team = {"tags": {"team": "growth"}}
    await side.emit(calls(40, **team) + calls(20))
    await charged(side, 60)
    await side.define(
        a_budget(budget_id="team", scope=Scope(tags={"team": "*"})),
        a_budget(budget_id="pair", scope=Scope(user="alice", tags={"team": "growth"})),
        a_budget(budget_id="tokens", limit_usd=None, limit_tokens=100_000),
    )
    worker.kill()
    workers.start().ready()
    await side.emit(calls(10, **team) + calls(10, user_id="bob", **team))
    await spent(side, "team|tag:team|growth|total", COST * 60)
    await spent(side, 'pair|user&tag:team|["alice","growth"]|total', COST * 50)
    tokens = (await side.statuses())["tokens|all||total"]
    assert (tokens.tokens, tokens.state) == (1200 * 80, "warning")


async def test_the_priced_call_is_the_call_that_was_sent(
    side: BrokerSide, workers: Workers
) -> None:
    """What stands in a charge is the event, to the last field."""
    (event,) = calls(
        1,
        event_id=an_id("whole", NOW),
        user_id='Ünï"code\\ 😀',
        tags={"team": "},\n{", "env": "prod"},
        usage=Usage(text_input_tokens=7, cache_read_tokens=3, text_output_tokens=2),
        duration_ms=850,
        provider_cost_usd="0.000000000003",
    )
    workers.start().ready()
    await side.emit([event])
    await charged(side, 1)
    (charge,) = await side.charges()
    assert isinstance(charge, UsagePriced)
    assert charge.recorded == event
