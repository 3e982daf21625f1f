"""Budgets' outlook, forecasts and anomalies from a real ledger file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from taximeter.budget_outlook import OUTLOOK, with_outlook
from taximeter.cli.anomalies import command as anomalies
from taximeter.cli.forecast import command
from taximeter.spend_anomalies import spend_anomalies
from taximeter.spend_forecast import spend_forecast
from taximeter_processors.anomalies import AnomalyRules
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.subjects import Subject
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import Usage
from taximeter_sinks.decode import RawRecord
from taximeter_sinks.duckdb_sink import DuckDBSink
from taximeter_sinks.queries import Ledger
from tests.builders import a_usage, an_id
from tests.unit.sinks.charge_builders import a_charge, an_adjustment, charges_record

NOW = datetime(2026, 11, 17, tzinfo=UTC)
START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
Records = list[RawRecord]


def _calls(
    user: str, usd: str, days: int, partition: int = 0, **overrides: object
) -> Records:
    """Return a call at noon of each of the last days."""
    records: Records = []
    for day in range(1, days + 1):
        call = a_usage(
            event_id=an_id(user, day),
            user_id=user,
            occurred_at=NOW - timedelta(days=day) + timedelta(hours=12),
            usage=Usage(text_input_tokens=100),
            **overrides,
        )
        charge = a_charge(partition, len(records), 0, usd, call)
        records.append(charges_record([charge], len(records)))
    return records


async def _ledger(folder: Path, *records: RawRecord) -> Ledger:
    path = folder / "ledger.duckdb"
    sink = DuckDBSink(path, Topics())
    sink.add(list(records))
    await sink.flush()
    sink.close()
    return Ledger.open(path)


def _standing(**overrides: object) -> dict[str, Any]:
    """Return how Alice stands in a budget of 1,000 USD a month."""
    row: dict[str, Any] = {
        "budget_id": "monthly",
        "subject_kind": "user",
        "subject_id": "alice",
        "period": "month",
        "period_start": START,
        "period_end": END,
        "limit_usd": Decimal(1000),
        "spent_usd": Decimal(640),
        "tokens": 1600,
        "calls": 16,
    }
    return row | overrides


async def test_a_budget_says_where_it_is_going(tmp_path: Path) -> None:
    """40 USD each day make 1,200 in the month, and 1,000 after the 25th of it."""
    ledger = await _ledger(tmp_path, *_calls("alice", "40", 57))

    (row,) = with_outlook(ledger, [_standing()], NOW)

    assert (row["used_percent"], row["days_left"]) == (Decimal("64.0"), 14)
    assert (row["average_a_day"], row["projected"]) == (40, 1200)
    assert row["projected_low"] <= 1200 <= row["projected_high"]
    assert row["crosses_at"] == datetime(2026, 11, 25, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("subject", "overrides"),
    [
        (Subject("all", ""), {}),
        (Subject("user", "alice"), {}),
        (Subject("model", "gpt-4o"), {"model": "gpt-4o"}),
        (Subject("project", "p"), {"project_id": "p"}),
        (Subject("session", "s"), {"session_id": "s"}),
        (Subject("endpoint", "/e"), {"endpoint": "/e"}),
        (Subject("provider", "openai"), {"provider": "openai"}),
        (Subject("source", "shop"), {"source": "shop"}),
        (Subject("api_key", "k"), {"api_key_hash": "k"}),
        (Subject("tag:te'am", "growth"), {"tags": {"te'am": "growth"}}),
        (Subject("tag:r%26d", "x"), {"tags": {"r&d": "x"}}),
        (Subject("user&model", '["alice","gpt \\"4\\""]'), {"model": 'gpt "4"'}),
        (Subject("user&tag:team", '["alice","ä"]'), {"tags": {"team": "ä"}}),
    ],
    ids=lambda given: getattr(given, "kind", ""),
)
async def test_every_kind_of_subject_has_its_history(
    tmp_path: Path, subject: Subject, overrides: dict[str, Any]
) -> None:
    """What a subject's calls cost is found by the hour, and nobody else's with it."""
    calls = _calls("alice", "1.000000000001", 2, **overrides)
    others = [
        charges_record([a_charge(1, 0, 0, "7", a_usage(occurred_at=NOW))], 0),
    ]
    ledger = await _ledger(tmp_path, *calls, *others)

    found = ledger.hourly({subject.kind: {subject}}, NOW - timedelta(days=7), NOW)

    hour = int((NOW - timedelta(hours=12)).timestamp())
    assert set(found) == {subject}
    assert set(found[subject]) == {hour, hour - 86_400}
    assert found[subject][hour] == (Decimal("1.000000000001"), 100, 1)
    everybody = ledger.hourly({subject.kind: None}, NOW - timedelta(days=7), NOW)
    assert everybody[subject] == found[subject]


async def test_corrections_count_in_the_hour_of_their_call(tmp_path: Path) -> None:
    """An adjustment changes what was spent, and is no call."""
    call = a_usage(occurred_at=datetime(2026, 11, 22, 12, tzinfo=UTC), user_id="a")
    less = an_adjustment(
        Usage(text_output_tokens=4), Usage(text_output_tokens=1), "-0.4"
    )
    charge = a_charge(0, 0, 0, "1", call)
    ledger = await _ledger(
        tmp_path, charges_record([charge], 0), charges_record([less], 1)
    )

    (sums,) = ledger.hourly({"all": None}, NOW).values()

    ((cost, _, calls),) = sums.values()
    assert (cost, calls) == (Decimal("0.6"), 1)


@pytest.mark.parametrize(
    ("limit", "unit", "projected"),
    [
        ({"limit_usd": None, "limit_tokens": 2000}, "tokens", 3000),
        ({"limit_usd": None, "limit_calls": 20}, "calls", 30),
    ],
)
async def test_limits_in_other_units_are_projected_in_them(
    tmp_path: Path, limit: dict[str, Any], unit: str, projected: int
) -> None:
    """A budget in tokens or calls is projected in tokens or calls."""
    ledger = await _ledger(tmp_path, *_calls("alice", "40", 57))

    (row,) = with_outlook(ledger, [_standing(**limit)], NOW)

    assert (row["unit"], row["projected"]) == (unit, projected)
    assert row["crosses_at"] is not None


async def test_all_time_says_only_when_its_limit_is_reached(tmp_path: Path) -> None:
    """A budget without an end has no end to be projected."""
    ledger = await _ledger(tmp_path, *_calls("alice", "40", 57))
    total = _standing(period="total", period_start=None, period_end=None)

    (row,) = with_outlook(ledger, [total], NOW)

    assert row["crosses_at"] == datetime(2026, 11, 25, 13, tzinfo=UTC)
    assert row["projected"] is None


@pytest.mark.parametrize(
    "period",
    [
        {"period_start": START - timedelta(days=31), "period_end": START},
        {"period": "rolling_month"},
    ],
)
async def test_nothing_is_projected_onto_the_past(
    tmp_path: Path, period: dict[str, Any]
) -> None:
    """What is over, or moves on all the time, has its percent and no more."""
    ledger = await _ledger(tmp_path, *_calls("alice", "40", 57))

    (row,) = with_outlook(ledger, [_standing(**period)], NOW)

    assert {row[name] for name in OUTLOOK} == {None, Decimal("64.0")}


async def test_spend_is_forecast_by_what_is_asked(tmp_path: Path) -> None:
    """The dearest end comes first; without a dimension there is one row."""
    calls = [*_calls("alice", "40", 57), *_calls("bob", "50", 10, partition=1)]
    ledger = await _ledger(tmp_path, *calls)

    (total,) = spend_forecast(ledger, NOW, "month", "UTC")
    by_user = spend_forecast(ledger, NOW, "month", "UTC", "user")

    assert total["spent_usd"] == 40 * 16 + 50 * 10
    assert [row["user"] for row in by_user] == ["alice", "bob"]
    assert by_user[0]["projected_usd"] == 1200
    assert by_user[1]["projected_usd"] == pytest.approx(500 / 16 * 30)


async def test_the_forecast_is_a_command(tmp_path: Path) -> None:
    """It takes the present month, and prints rows for programs."""
    now = SystemClock().now()
    call = a_usage(occurred_at=now, user_id="alice")
    ledger = await _ledger(tmp_path, charges_record([a_charge(0, 0, 0, "1", call)], 0))
    ledger.close()

    arguments = ["--by", "user", "--data", str(tmp_path), "--format", "json"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)

    (row,) = json.loads(done.stdout)
    assert (row["user"], row["spent_usd"]) == ("alice", "1.000000")


async def test_anomalies_are_found_in_the_ledger(tmp_path: Path) -> None:
    """The hour that cost ten times the usual is, and nobody's usual hours are."""
    hours = range(24 * 21)
    start = NOW - timedelta(days=21)
    records: Records = []
    for hour in hours:
        usd = "50" if hour == 24 * 20 else "5"
        call = a_usage(
            event_id=an_id("hour", hour),
            occurred_at=start + timedelta(hours=hour),
            user_id="alice",
        )
        records.append(charges_record([a_charge(0, hour, 0, usd, call)], hour))
    ledger = await _ledger(tmp_path, *records)

    rules = AnomalyRules(kinds=("user", "tag:team"))
    (found,) = spend_anomalies(ledger, NOW - timedelta(days=3), NOW, rules)

    assert found == {
        "hour_start": NOW - timedelta(days=1),
        "subject_kind": "user",
        "subject_id": "alice",
        "spent_usd": 50,
        "usual_usd": 5,
        "threshold_usd": Decimal("12.5"),
    }
    assert spend_anomalies(ledger, NOW - timedelta(hours=23), NOW, rules) == []
    arguments = ["--data", str(tmp_path), "--to", "2026-11-17", "--format", "json"]
    done = CliRunner().invoke(anomalies, [*arguments, "--subjects", "user,all"])
    kinds = [row["subject_kind"] for row in json.loads(done.stdout)]
    assert kinds == ["all", "user"]
    wrong = CliRunner().invoke(anomalies, [*arguments, "--subjects", "users"])
    assert "TAXIMETER_ANOMALY_SUBJECTS" in str(wrong.exception)
