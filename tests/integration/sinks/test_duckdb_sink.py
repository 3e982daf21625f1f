"""The sink and a real ledger file, without Kafka: records in, rows out, once each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.budgets import BudgetDefined, BudgetRemoved, BudgetStatus
from taximeter_schemas.dead_letters import (
    DeadLetter,
    DeadLetterEvent,
    DeadLetterRetried,
)
from taximeter_schemas.errors import LedgerTooNew, LedgerUnavailable
from taximeter_schemas.fields import Event
from taximeter_schemas.prices import PricesDefined, PriceVersionPublished
from taximeter_schemas.records import Fault, Origin, dead_letter
from taximeter_schemas.subjects import Scope
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import Usage
from taximeter_sinks.decode import Place, RawRecord
from taximeter_sinks.duckdb_sink import DuckDBSink
from taximeter_sinks.queries import Ledger
from tests.builders import NOON, a_usage, an_id
from tests.unit.sinks.charge_builders import a_charge, an_adjustment, charges_record
from tests.unit.sinks.old_ledgers import KEPT_BY_VERSION_1, as_of

TOPICS = Topics()


@dataclass
class AnOpenSink:
    """A sink on a fresh file."""

    sink: DuckDBSink
    path: Path

    async def takes(self, *records: RawRecord) -> None:
        """Write these records."""
        self.sink.add(records)
        await self.sink.flush()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return what the ledger holds."""
        return self.sink.ledger.execute(query).fetchall()


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[AnOpenSink]:
    """Open a sink on a fresh file."""
    path = tmp_path / "ledger.duckdb"
    sink = DuckDBSink(path, TOPICS)
    yield AnOpenSink(sink, path)
    sink.close()


def a_record(topic: str, event: Event, key: bytes = b"", offset: int = 0) -> RawRecord:
    """Return a record of one of the small topics."""
    return RawRecord(topic, 0, offset, key, event.model_dump_json().encode())


def charges(offsets: Sequence[int], first_record: int = 0) -> list[RawRecord]:
    """Return one record for each source offset."""
    return [
        charges_record([a_charge(offset=offset)], first_record + at)
        for at, offset in enumerate(offsets)
    ]


async def test_a_charge_is_stored_to_the_last_digit(opened: AnOpenSink) -> None:
    """Money, tags, ids and moments come back as they were sent."""
    call = a_usage(
        event_id=an_id("one"),
        tags={"team": "growth"},
        provider_cost_usd="0.000000000003",
        usage=Usage(text_input_tokens=7, audio_seconds=Decimal("1.25")),
    )
    exact = "12345678901234567890123456.123456789012"
    await opened.takes(charges_record([a_charge(cost_usd=exact, recorded=call)]))
    assert opened.rows(
        "SELECT event_id, occurred_at, tags, cost_usd, provider_cost_usd, "
        "text_input_tokens, audio_seconds, kind FROM charges"
    ) == [
        (
            *(an_id("one"), NOON, {"team": "growth"}),
            *(Decimal(exact), Decimal("0.000000000003"), 7, Decimal("1.25"), "charge"),
        )
    ]


async def test_unpriced_is_null(opened: AnOpenSink) -> None:
    """A charge without a price adds nothing to a sum and is no zero."""
    unpriced = a_charge(offset=1, cost_usd=None)
    await opened.takes(*charges([0]), charges_record([unpriced], 1))
    assert opened.rows("SELECT cost_usd, unpriced_reason FROM charges ORDER BY 1") == [
        (Decimal("0.006"), None),
        (None, "unknown_model"),
    ]


async def test_an_adjustment_is_a_row_of_its_own(opened: AnOpenSink) -> None:
    """It names what it adjusts, and the sum over both is the truth."""
    more = an_adjustment(
        Usage(text_output_tokens=5), Usage(text_output_tokens=9), "0.001"
    )
    await opened.takes(*charges([0]), charges_record([more], 1))
    assert opened.rows("SELECT sum(cost_usd) FROM charges") == [(Decimal("0.007"),)]
    assert opened.rows(
        "SELECT adjusts, text_output_tokens FROM charges WHERE kind = 'adjustment'"
    ) == [(more.adjusts, 4)]


async def test_charges_that_are_sent_again_are_skipped(opened: AnOpenSink) -> None:
    """Within a batch, in a later one and after a restart: one row each."""
    await opened.takes(*charges([0, 3, 5]), *charges([3, 5, 6], 3))
    await opened.takes(*charges([5, 6, 9], 6))
    opened.sink.close()
    opened.sink = DuckDBSink(opened.path, TOPICS)
    await opened.takes(*charges([6, 9, 12], 9))
    assert opened.rows("SELECT source_offset FROM charges ORDER BY ALL") == [
        (offset,) for offset in (0, 3, 5, 6, 9, 12)
    ]
    assert opened.sink.next_offsets() == {Place(TOPICS.charges.name, 0): 12}
    opened.sink.close()


async def test_what_was_not_flushed_is_not_there(opened: AnOpenSink) -> None:
    """A sink that ends between add and flush leaves neither rows nor offsets."""
    await opened.takes(*charges([0]))
    opened.sink.add(charges([1], 1))
    opened.sink.close()
    opened.sink = DuckDBSink(opened.path, TOPICS)
    assert opened.rows("SELECT count(*) FROM charges") == [(1,)]
    assert opened.sink.next_offsets() == {Place(TOPICS.charges.name, 0): 1}
    opened.sink.close()


async def test_an_undecodable_record_is_kept_and_told(
    opened: AnOpenSink, caplog: pytest.LogCaptureFixture
) -> None:
    """The rows beside it count, and it stands in the log and in its own table."""
    bad = RawRecord(TOPICS.charges.name, 0, 1, b"0:1", b"?")
    no_key = RawRecord(TOPICS.charges.name, 0, 2, None, b"[]")
    alert = RawRecord(TOPICS.budget_alerts.name, 0, 0, b"b", b"{}")
    await opened.takes(*charges([0]), bad, no_key, alert, *charges([3], 3))
    assert opened.rows("SELECT count(*) FROM charges") == [(2,)]
    assert opened.rows(
        "SELECT topic, record_offset, payload FROM undecodable_records ORDER BY ALL"
    ) == [
        (TOPICS.budget_alerts.name, 0, b"{}"),
        (TOPICS.charges.name, 1, b"?"),
        (TOPICS.charges.name, 2, b"[]"),
    ]
    assert caplog.text.count("cannot be decoded") == 3


def a_budget(limit: str = "10") -> BudgetDefined:
    """Return a budget for everything."""
    return BudgetDefined(
        budget_id="b",
        scope=Scope(user="*"),
        period="day",
        limit_usd=Decimal(limit),
        defined_at=NOON,
    )


async def test_the_latest_definition_of_a_budget_counts(opened: AnOpenSink) -> None:
    """Redefined, removed and defined again, in one batch or in several."""
    topic = TOPICS.budgets.name
    removed = BudgetRemoved(event_type="BudgetRemoved", budget_id="b", removed_at=NOON)
    query = "SELECT budget_id, limit_usd, scope, removed_at FROM budgets"
    scope = {"user": "*"}
    await opened.takes(
        a_record(topic, a_budget()), a_record(topic, a_budget("20"), offset=1)
    )
    assert opened.rows(query) == [("b", Decimal(20), scope, None)]
    await opened.takes(a_record(topic, removed, offset=2))
    assert opened.rows(query) == [("b", Decimal(20), scope, NOON)]
    await opened.takes(a_record(topic, a_budget("30"), offset=3))
    assert opened.rows(query) == [("b", Decimal(30), scope, None)]
    await opened.takes(
        a_record(topic, a_budget("40"), offset=4), a_record(topic, removed, offset=5)
    )
    assert opened.rows(query) == [("b", Decimal(40), scope, NOON)]


async def test_a_budget_known_only_as_removed_is_kept(opened: AnOpenSink) -> None:
    """After compaction a removal may be all that is left of a budget."""
    removed = BudgetRemoved(
        event_type="BudgetRemoved", budget_id="gone", removed_at=NOON
    )
    await opened.takes(a_record(TOPICS.budgets.name, removed))
    query = "SELECT budget_id, period, removed_at FROM budgets"
    assert opened.rows(query) == [("gone", None, NOON)]


async def test_an_alert_is_one_row(opened: AnOpenSink) -> None:
    """However often it arrives, in one batch or in two, the first one stays."""
    alert = BudgetThresholdCrossed(
        alert_id=an_id("alert"),
        raised_at=NOON,
        budget_id="b",
        subject_kind="all",
        subject_id="",
        period="total",
        period_start=None,
        period_end=None,
        threshold_percent=80,
        limit_usd=Decimal(10),
        spent_usd=Decimal("8.000000000001"),
    )
    again = alert.model_copy(update={"raised_at": NOON + timedelta(minutes=1)})
    topic = TOPICS.budget_alerts.name
    await opened.takes(a_record(topic, alert), a_record(topic, again, offset=1))
    await opened.takes(a_record(topic, again, offset=2))
    assert opened.rows("SELECT alert_id, raised_at, spent_usd FROM alerts") == [
        (an_id("alert"), NOON, Decimal("8.000000000001"))
    ]


async def test_every_kind_of_alert_is_a_row(opened: AnOpenSink) -> None:
    """What all kinds have is in columns, what only one says is in the event."""
    golden = Path(__file__).parents[2] / "contract" / "golden" / "v1"
    names = (
        "BudgetForecastExceeded",
        "DigestDue",
        "PriceMissing",
        "SpendAnomalyDetected",
        "SpendRecovered",
    )
    records: list[RawRecord] = []
    for offset, name in enumerate(names):
        fields = json.loads((golden / f"{name}.json").read_text())
        fields["alert_id"] = str(an_id(name))
        value = json.dumps(fields).encode()
        records.append(RawRecord(TOPICS.budget_alerts.name, 0, offset, b"k", value))
    await opened.takes(*records)

    columns = "event_type, subject_kind, subject_id, budget_id, period, calls"
    assert opened.rows(f"SELECT {columns} FROM alerts ORDER BY 1") == [
        ("BudgetForecastExceeded", "user", "alice", "alice-monthly", "month", None),
        ("DigestDue", "all", "", None, "week", 98765),
        ("PriceMissing", "model", "nobody-knows", None, None, None),
        ("SpendAnomalyDetected", "user", "alice", None, None, None),
        ("SpendRecovered", "user", "alice", "alice-monthly", "month", None),
    ]
    question = "SELECT event ->> 'day' FROM alerts WHERE event_type = 'PriceMissing'"
    assert opened.rows(question) == [("2026-11-22",)]


async def test_status_letters_and_prices_keep_one_row_a_key(
    opened: AnOpenSink,
) -> None:
    """The latest status, one row for a dead letter, one for a price version."""
    status = BudgetStatus(
        budget_id="b",
        subject_kind="user",
        subject_id="ada",
        period="day",
        period_start=NOON,
        period_end=NOON + timedelta(days=1),
        limit_usd=Decimal(10),
        spent_usd=Decimal(4),
        remaining_usd=Decimal(6),
        state="within",
        calls=2,
        unpriced_calls=0,
    )
    later = status.model_copy(update={"spent_usd": Decimal(5)})
    letter = dead_letter(
        Fault("not_json", "?", b"\x00\xff"), Origin("usage", 0, 3), None, NOON
    )
    prices = PriceVersionPublished(
        price_version="p1",
        effective_from=NOON,
        source="litellm",
        content_hash="h",
        models=3,
    )
    own = PricesDefined(
        event_type="PricesDefined",
        price_version="p2",
        effective_from=NOON,
        layer="own",
        source="by hand",
        content_hash="h",
        models=1,
        entries={"m": "{}"},
    )
    for offset, told in enumerate([status, later]):
        await opened.takes(
            a_record(TOPICS.budget_status.name, told, b"b|user|ada", offset),
            a_record(TOPICS.dead_letters.name, letter, letter.key, offset),
            a_record(TOPICS.prices.name, prices, b"p1", 2 * offset),
            a_record(TOPICS.prices.name, own, b"p2", 2 * offset + 1),
        )
    assert opened.rows("SELECT subject_id, spent_usd FROM budget_status") == [
        ("ada", Decimal(5))
    ]
    assert opened.rows("SELECT origin_offset, payload FROM dead_letters") == [
        (3, b"\x00\xff")
    ]
    assert opened.rows("SELECT price_version, models FROM price_versions") == [
        ("p1", 3),
        ("p2", 1),
    ]


def a_letter(offset: int = 3) -> DeadLetter:
    """Return a dead letter of the usage topic."""
    fault = Fault("not_json", "?", b"\x00\xff")
    return dead_letter(fault, Origin("usage", 0, offset), None, NOON)


def a_retry(letter: DeadLetter, retried_at: datetime = NOON) -> DeadLetterRetried:
    """Return the note that a letter was retried."""
    return DeadLetterRetried(
        event_type="DeadLetterRetried",
        dead_letter_id=letter.key.decode(),
        event_ids=(an_id("retried", 1), an_id("retried", 2)),
        corrected=True,
        retried_at=retried_at,
    )


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "many batches"])
@pytest.mark.parametrize("order", ["lr", "rl", "lrl", "llr", "rll", "rlr"])
async def test_a_retry_is_known_whenever_it_arrives(
    opened: AnOpenSink, order: str, *, together: bool
) -> None:
    """Before its letter or after it, or with the letter again behind it: one row."""
    told: dict[str, Event] = {"l": a_letter(), "r": a_retry(a_letter())}
    topic, key = TOPICS.dead_letters.name, a_letter().key
    records = [a_record(topic, told[one], key, at) for at, one in enumerate(order)]
    for batch in [records] if together else [[record] for record in records]:
        await opened.takes(*batch)
    assert opened.rows(
        "SELECT dead_letter_id, payload, retried_at FROM dead_letters"
    ) == [("usage:0:3", b"\x00\xff", NOON)]
    assert opened.rows("SELECT * FROM dead_letter_retries") == [
        ("usage:0:3", [an_id("retried", 1), an_id("retried", 2)], True, NOON)
    ]


async def test_an_open_letter_has_no_time_of_a_retry(opened: AnOpenSink) -> None:
    """A retry is of its own letter only; done again, its latest time counts."""
    topic, later = TOPICS.dead_letters.name, NOON + timedelta(hours=1)
    events: list[DeadLetterEvent] = [
        *(a_letter(3), a_letter(4)),
        *(a_retry(a_letter(4)), a_retry(a_letter(4), later)),
    ]
    await opened.takes(
        *(a_record(topic, one, one.key, at) for at, one in enumerate(events))
    )
    assert opened.rows(
        "SELECT origin_offset, retried_at FROM dead_letters ORDER BY 1"
    ) == [(3, None), (4, later)]


async def test_a_retry_without_its_letter_is_no_letter(opened: AnOpenSink) -> None:
    """It is kept, and the number of letters stays what was kept of them."""
    retry = a_retry(a_letter())
    await opened.takes(a_record(TOPICS.dead_letters.name, retry, retry.key))
    assert opened.rows("SELECT count(*) FROM dead_letters") == [(0,)]
    assert opened.rows("SELECT count(*) FROM dead_letter_retries") == [(1,)]


async def test_a_deleted_key_takes_its_row_along(opened: AnOpenSink) -> None:
    """A record without a value, as compaction knows it, removes the row."""
    topic = TOPICS.budgets.name
    await opened.takes(a_record(topic, a_budget(), b"b"))
    await opened.takes(RawRecord(topic, 0, 1, b"b", None))
    assert opened.rows("SELECT count(*) FROM budgets") == [(0,)]


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    """Neither the sink nor a reader touches what a newer Taximeter wrote."""
    path = tmp_path / "ledger.duckdb"
    DuckDBSink(path, TOPICS).close()
    with duckdb.connect(str(path)) as ledger:
        ledger.execute("INSERT INTO schema_versions VALUES (999, '0999_future.sql')")
    with pytest.raises(LedgerTooNew, match="upgrade Taximeter"):
        DuckDBSink(path, TOPICS)
    with pytest.raises(LedgerTooNew):
        Ledger.open(path)


_AS_NOBODY = """
import os, sys
from pathlib import Path
from taximeter_schemas.errors import LedgerUnavailable
from taximeter_schemas.topics import Topics
from taximeter_sinks.duckdb_sink import DuckDBSink
if os.getuid() == 0:
    os.setuid(65534)
try:
    DuckDBSink(Path(sys.argv[1]), Topics())
except LedgerUnavailable as error:
    print(error)
"""


def test_a_ledger_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    """A read-only file ends the sink at once, with the path and the reason."""
    path = tmp_path / "ledger.duckdb"
    DuckDBSink(path, TOPICS).close()
    path.chmod(0o444)
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        if parent.owner() == path.owner() and os.getuid() == 0:
            parent.chmod(0o755)
    told = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"cannot read the ledger {path}" in told.stdout, told.stderr
    assert "ermission denied" in told.stdout


async def test_an_older_ledger_is_brought_up_to_date(tmp_path: Path) -> None:
    """The sink goes on in it: a letter that version 1 kept can be retried."""
    path = tmp_path / "ledger.duckdb"
    with duckdb.connect(str(path)) as ledger:
        as_of(1, ledger)
        ledger.execute(KEPT_BY_VERSION_1)
    sink = DuckDBSink(path, TOPICS)
    retry = a_retry(a_letter(7))
    sink.add([a_record(TOPICS.dead_letters.name, retry, retry.key, 2)])
    await sink.flush()
    found = "SELECT dead_letter_id, payload, retried_at FROM dead_letters ORDER BY 1"
    assert sink.ledger.execute(found).fetchall() == [
        ("usage:0:7", b"x", NOON),
        ("usage:0:8", b"y", None),
    ]
    sink.close()


def test_something_else_than_a_ledger_is_told(tmp_path: Path) -> None:
    """No file, a file of another kind, an empty database: each its own reason."""
    missing, text, empty = (tmp_path / name for name in ("none", "text", "empty"))
    text.write_text("not a database " * 1000)
    duckdb.connect(str(empty)).close()
    for path in (missing, text, empty):
        with pytest.raises(LedgerUnavailable, match=path.name):
            Ledger.open(path)


_WITH_A_FULL_DISK = """
import asyncio, logging, resource, sys
from pathlib import Path
from taximeter_schemas.topics import Topics
from taximeter_sinks.duckdb_sink import DuckDBSink, SinkWriteFailed
from tests.unit.sinks.charge_builders import a_charge, charges_record

def batch(number):
    one = [a_charge(offset=number, position=at) for at in range(2000)]
    return [charges_record(one, number)]

async def main(path):
    sink = DuckDBSink(path, Topics())
    sink.add(batch(0))
    await sink.flush()
    size = max(file.stat().st_size for file in path.parent.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, resource.RLIM_INFINITY))
    failures, number = 0, 1
    while not failures:
        sink.add(batch(number))
        try:
            await sink.flush()
        except SinkWriteFailed as error:
            failures += 1
            print("failed", error, error.fatal)
            resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
            if error.fatal:
                sink.reopen()
        number += 1
    sink.add(batch(number))
    await sink.flush()
    await sink.flush()
    print(sink.ledger.execute(
        "SELECT count(*), count(DISTINCT event_id), max(source_offset) FROM charges"
    ).fetchone() == ((number + 1) * 2000, (number + 1) * 2000, number))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_full_disk_costs_no_row(tmp_path: Path) -> None:
    """The batch that could not be written is written once there is room again."""
    told = subprocess.run(
        [sys.executable, "-c", _WITH_A_FULL_DISK, str(tmp_path / "ledger.duckdb")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "failed" in told.stdout, told.stderr
    assert told.stdout.endswith("True\n"), told.stdout + told.stderr


def test_a_ledger_takes_no_more_memory_than_it_is_given(tmp_path: Path) -> None:
    """What a report has no room for goes to disk: it is slower, and as exact."""
    sink = DuckDBSink(tmp_path / "ledger.duckdb", TOPICS, "64MiB", 1)
    more = "SELECT n % 2000000 AS id, n FROM range(4000000) AS many(n)"
    asked = sink.ledger.execute(
        f"SELECT count(*) FROM (SELECT id, sum(n) FROM ({more}) GROUP BY id)"
    )
    assert asked.fetchall() == [(2_000_000,)]
    (taken,) = sink.ledger.execute(
        "SELECT sum(memory_usage_bytes), current_setting('memory_limit') "
        "FROM duckdb_memory()"
    ).fetchall()
    assert taken[1] == "64.0 MiB"
    assert taken[0] <= 64 * 1024 * 1024
    sink.close()
