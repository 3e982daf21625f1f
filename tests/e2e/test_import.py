"""`taximeter import`, as a person runs it: old logs into a running system, twice."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taximeter.broker.admin import drop_topics
from tests.e2e.reading import Done, json_of, run
from tests.importing import LOGS
from tests.running_system import Running, taximeter
from tests.waiting import eventually

SPEND = LOGS / "litellm_spend_logs.csv"
BUDGETS = """
budgets:
  - {id: monthly, scope: everything, period: month, limit_usd: 0.001}
  - {id: ever, scope: everything, period: total, limit_usd: 0.01,
     thresholds_percent: [50]}
"""


@pytest.fixture(scope="module")
def site(
    bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, ...]]:
    """Run a whole system; gives the options that say where it is."""
    data = tmp_path_factory.mktemp("import")
    prefix = f"{data.name}."
    where = ("--data", str(data), "--prefix", prefix, "--bootstrap", bootstrap)
    up = Running(data, "--prefix", prefix, "--bootstrap", bootstrap)
    try:
        budgets = data / "budgets.yaml"
        budgets.write_text(BUDGETS)
        done = taximeter("budgets", "apply", str(budgets), "--yes", *where)
        assert done.returncode == 0, done.stderr
        yield where
    finally:
        up.stop()
        asyncio.run(drop_topics(bootstrap, prefix))


def _import(*arguments: object) -> tuple[Done, dict[str, Any]]:
    done = run("import", *arguments, "--format", "json")
    return done, json.loads(done.stdout)


def _calls(site: tuple[str, ...]) -> int:
    (row,) = json_of("sql", "SELECT count(*) AS n FROM charges", *site[:2])
    return int(row["n"])


def test_old_logs_count_once(site: tuple[str, ...], tmp_path: Path) -> None:
    """A log is imported once: not the second time, and not from overlapping exports.

    Each call is charged at its own time, with what the log says it cost beside it. A
    budget counts it; but of a month that was over when the budget was made, it has
    nothing to say.
    """
    refused = tmp_path / "refused.jsonl"
    done, told = _import("litellm", SPEND, "--refused", refused, *site)
    assert done.returncode == 1
    assert (told["rows"], told["new"], told["sent"], told["checked"]) == (6, 3, 3, True)
    assert told["left_out"] == 2
    (row,) = [json.loads(line) for line in refused.read_text().splitlines()]
    assert row["row"]["model"] == "gpt-image-1"
    assert row["place"] == f"{SPEND}, line 6"
    eventually(lambda: _calls(site) == 3)

    done, told = _import("litellm", SPEND, SPEND.with_suffix(".json"), *site)
    assert (told["new"], told["known"], told["sent"]) == (0, 6, 0)
    query = (
        "SELECT user_id, CAST(occurred_at AS VARCHAR) AS at, cost_usd, "
        "provider_cost_usd AS theirs FROM charges ORDER BY occurred_at"
    )
    rows = json_of("sql", query, *site[:2])
    assert [row["user_id"] for row in rows] == ["ada", "bob", "ada"]
    assert [row["cost_usd"] for row in rows] == [
        "0.000013500000",
        "0.009240000000",
        "0.000000000000",
    ]
    assert rows[0]["theirs"] == "0.000013500000"
    assert rows[0]["at"].startswith("2026-10-05 09:30:00.123")

    alerts = eventually(lambda: json_of("alerts", *site))
    assert [(a["budget_id"], a["late"]) for a in alerts] == [("ever", False)]


def test_a_dry_run_sends_nothing(site: tuple[str, ...]) -> None:
    """It says what would be new, and leaves the ledger and Kafka as they are."""
    before = _calls(site)
    mapping = ("--mapping", LOGS / "gateway.yaml")
    done, told = _import("csv", LOGS / "gateway.csv", *mapping, "--dry-run", *site)
    assert (told["new"], told["sent"], told["refused"]) == (2, 0, 2)
    assert "line 4: occurred_at 'yesterday' is no moment" in done.stderr
    assert done.returncode == 1
    assert _calls(site) == before


def test_without_a_ledger_nothing_is_sent_unasked(
    site: tuple[str, ...], tmp_path: Path
) -> None:
    """What was imported last month cannot be told then: the way on is an option."""
    report = tmp_path / "usage.json"
    shutil.copy(LOGS / "anthropic_usage.json", report)
    elsewhere = ("--data", tmp_path / "none", *site[2:])
    done = run("import", "anthropic", report, *elsewhere)
    assert done.returncode == 1
    assert "give --unchecked to send everything" in done.stderr
    done, told = _import("anthropic", report, "--unchecked", *elsewhere)
    assert (told["sent"], told["checked"], done.returncode) == (4, False, 0)
    assert "within the last day" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("csv", SPEND), 1, "csv needs a mapping"),
        (("litellm", SPEND, "--map", "model=m"), 1, "nothing says which column"),
        (("litellm", SPEND, "--since", "soon"), 1, "'soon' is not a moment"),
        (("slips", SPEND), 2, "Invalid value for 'KIND'"),
        (("litellm", "nowhere.csv"), 2, "does not exist"),
        (("litellm", SPEND, "--tag", "x"), 2, "'x' is not NAME=VALUE"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: tuple[object, ...], code: int, words: str
) -> None:
    """A mistake is told in one line before anything is read."""
    done = run("import", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
