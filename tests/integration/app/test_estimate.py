"""`taximeter estimate` beside a real ledger: what calls would do to its budgets."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from taximeter.cli import main
from taximeter.state import DataDir
from taximeter_schemas.budgets import BudgetDefined, BudgetStatus
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.subjects import Scope
from taximeter_schemas.topics import Topics
from taximeter_sinks.decode import RawRecord
from taximeter_sinks.duckdb_sink import DuckDBSink

TOPICS = Topics()
NOW = SystemClock().now()


def a_budget(budget_id: str, scope: Scope) -> BudgetDefined:
    """Make a budget of one dollar a month."""
    return BudgetDefined(
        budget_id=budget_id,
        scope=scope,
        period="month",
        limit_usd=Decimal(1),
        defined_at=NOW,
    )


def a_status(budget_id: str, user: str, spent: str) -> BudgetStatus:
    """Say what a user has spent of it."""
    return BudgetStatus(
        budget_id=budget_id,
        subject_kind="user",
        subject_id=user,
        period="month",
        period_start=NOW - timedelta(days=1),
        period_end=NOW + timedelta(days=1),
        limit_usd=Decimal(1),
        spent_usd=Decimal(spent),
        remaining_usd=Decimal(1) - Decimal(spent),
        state="within",
        calls=1,
        unpriced_calls=0,
    )


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """Return a data directory whose ledger knows budgets, and what ada has spent."""
    place = DataDir(tmp_path)
    sink = DuckDBSink(place.ledger, TOPICS)
    budgets = [a_budget("each-user", Scope(user="*")), a_budget("all", Scope())]
    other = a_budget("of-grace", Scope(user="grace"))
    sink.add(
        [
            RawRecord(TOPICS.budgets.name, 0, n, b"", b.model_dump_json().encode())
            for n, b in enumerate([*budgets, other])
        ]
    )
    said = a_status("each-user", "ada", "0.75")
    status = said.model_dump_json().encode()
    sink.add([RawRecord(TOPICS.budget_status.name, 0, 0, b"ada", status)])
    await sink.flush()
    sink.close()
    return tmp_path


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["estimate", *arguments])
    return int(ended.value.code or 0)


def test_a_batch_and_what_it_does_to_each_budget(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user's budget counts that user's calls, the one over everything all."""
    batch = tmp_path / "calls.jsonl"
    call = {"model": "gpt-4o", "input_tokens": 100_000, "user_id": "ada"}
    other = {"model": "gpt-4o-mini", "input_tokens": 1_000_000, "user_id": "lin"}
    batch.write_text(f"{json.dumps(call)}\n{json.dumps(other)}\n")
    arguments = ("--batch", str(batch), "--data", str(data), "--format", "json")
    assert _run(*arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cost_usd"] == "0.400000000000"
    told = {
        (row["budget_id"], row["for"]): (row["after_usd"], row["state_after"])
        for row in found["budgets"]
    }
    assert told == {
        ("each-user", "user ada"): ("1.000000000000", "exceeded"),
        ("each-user", "user lin"): ("0.150000000000", "within"),
        ("all", "all"): ("0.400000000000", "within"),
    }


def test_text_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is counted with the model's tokenizer; no ledger, no budgets."""
    text = tmp_path / "prompt.txt"
    text.write_text("Hello, world! " * 100)
    arguments = ("--model", "gpt-4o", "--text", str(text), "--data", str(tmp_path))
    assert _run(*arguments, "--format", "json") == 0
    (one,) = json.loads(capsys.readouterr().out)["estimates"]
    assert 300 <= one["input_tokens"] <= 600


def test_models_that_fit_in_a_sum(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cheapest first, none that costs more; without a choice there is no sum."""
    call = ("--input-tokens", "1000", "--data", str(tmp_path), "--format", "json")
    asked = ("--model", "gpt-4o", "--within", "0.001", *call)
    assert _run(*asked, "--compare", "claude-haiku-4-5,gpt-4o-mini") == 0
    found = json.loads(capsys.readouterr().out)["estimates"]
    assert [one["model"] for one in found] == ["gpt-4o-mini", "claude-haiku-4-5"]
    assert _run(*asked) == 1
    assert "--within is for --compare" in capsys.readouterr().err
