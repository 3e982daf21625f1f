"""`taximeter compare`, `expensive` and `optimise`, as a person runs them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from taximeter.state import DataDir
from taximeter_schemas.usage import Usage
from tests.builders import NOON, a_usage, an_id
from tests.e2e.reading import answer, json_of, rows_of, run
from tests.integration.sinks.reported import CHARGES, write_ledger
from tests.unit.sinks.charge_builders import a_charge


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the ledger of `reported`, and two long calls of a talk in October."""
    path = tmp_path_factory.mktemp("data")
    calls = [
        a_usage(
            event_id=an_id("long", minute),
            occurred_at=NOON - timedelta(days=30, minutes=-minute),
            conversation_id="talk",
            user_id="eve",
            usage=Usage(text_input_tokens=5000),
        )
        for minute in (0, 1)
    ]
    long = [a_charge(0, 20 + n, 0, "0.015", call) for n, call in enumerate(calls)]
    write_ledger(DataDir(path).ledger, [*CHARGES, *long])
    return path


def test_periods_are_compared(data: Path) -> None:
    """Cost, calls, tokens and average, with the change from the first to the last."""
    told = json_of("compare", "--data", data, "--periods", "2026-10,2026-11")
    cost = told["total"][0]
    assert (cost["2026-10"], cost["2026-11"]) == ("0.030000000000", "6.003000000001")
    assert (cost["change"], cost["change_percent"]) == ("5.973000000001", "19910.00")
    assert [row["metric"] for row in told["total"]][1:] == [
        *("calls", "tokens", "average", "unpriced calls")
    ]
    assert told["by_model"][0]["model"] == "claude-sonnet-4-5"
    text = answer(
        "compare", "--data", data, "--periods", "2026-10,2026-11-20..2026-11-23"
    )
    assert "+19910.00%" in text


def test_projects_and_models_are_compared(data: Path) -> None:
    """Over the time and the calls that are asked for, by what is asked for."""
    by = ("compare", "--data", data, "--projects", "search,ads", "--month", "2026-11")
    rows = rows_of(*by, "--metric", "calls", "--by", "user")
    (ada,) = [row for row in rows if row["value"] == "ada"]
    assert (ada["search"], ada["ads"], ada["change"]) == ("3", "1", "-2")
    models = ("--models", "claude-sonnet-4-5,nobody-knows")
    told = json_of("compare", "--data", data, *models)
    assert told["total"][0]["nobody-knows"] is None  # unpriced is not 0
    assert told["total"][0]["change"] is None
    assert "by_project" in told


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "give one of --periods, --projects and --models"),
        (("--periods", "2026-10"), "needs two names"),
        (("--periods", "2026-10,May"), "is not a year"),
        (("--periods", "2026-10,2026-11", "--last", "7d"), "says which time"),
    ],
)
def test_what_cannot_be_compared(
    data: Path, options: tuple[str, ...], words: str
) -> None:
    """Is one line that says what to write."""
    done = run("compare", "--data", data, *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


def test_what_is_expensive(data: Path) -> None:
    """Conversations with their models, endpoints by model, calls at their net cost."""
    told = json_of("expensive", "--data", data, "--top", "2")
    assert [row["conversation"] for row in told["conversations"]] == ["c-1", "talk"]
    assert told["conversations"][0]["cost_usd"] == "3.500000000000"
    assert told["endpoints"][0]["endpoint"] == "/chat"
    assert [row["cost_usd"] for row in told["calls"]] == [
        "3.000000000000",
        "2.000000000000",
    ]
    assert len(rows_of("expensive", "--data", data, "--what", "calls")) == 7
    assert "Dearest conversations" in answer("expensive", "--data", data)


def test_what_would_have_been_cheaper(data: Path) -> None:
    """Other models of the tier, a cache, and prompts that were sent twice."""
    tier = "claude-sonnet-4-5,claude-haiku-4-5"
    done = json_of("optimise", "--data", data, "--tier", tier)
    (other,) = done["other_models"]
    assert other["instead"] == "anthropic/claude-haiku-4-5"
    assert 0 < float(other["then_usd"]) < float(other["now_usd"])
    (cache,) = done["caching"]
    assert (cache["calls"], cache["now_usd"]) == (2, "0.030000000000")
    (prompt,) = done["repeated_prompts"]
    assert (prompt["prompt_hash"], prompt["calls"]) == ("p", 2)
    assert prompt["cost_usd"] == "1.000000000001"
    without = run("optimise", "--data", data)
    assert "--tier" in without.stderr
    assert without.returncode == 0


def test_the_ledger_is_held_against_a_bill(data: Path, tmp_path: Path) -> None:
    """Per provider, day and model: ours, theirs, the difference, and why."""
    bill = tmp_path / "invoice.csv"
    bill.write_text(
        "date,provider,model,amount_usd\n"
        "2026-11-20,anthropic,claude-sonnet-4-5-20250929,3\n"
        "2026-11-22,anthropic,claude-sonnet-4-5,5\n"
        "2026-11-22,anthropic,nobody-knows,1\n"
        "2026-11-22,anthropic,elsewhere,7\n"
    )
    rows = json_of("reconcile", bill, "--data", data)
    assert [(row["day"], row["model"], row["explanation"]) for row in rows] == [
        ("2026-11-20", "claude-sonnet-4-5", "equal"),
        ("2026-11-22", "claude-sonnet-4-5", "unexplained"),
        ("2026-11-22", "elsewhere", "not metered"),
        ("2026-11-22", "new", "not billed"),
        ("2026-11-22", "nobody-knows", "unpriced here"),
    ]
    assert rows[1]["difference_usd"] == "-1.999999999999"
    done = run("reconcile", bill, "--data", data, "--differences")
    assert "2026-11-20" not in done.stdout
    assert "not metered: the bill has it" in done.stderr
    assert done.stdout.splitlines()[-1].startswith("total")
    bill.write_text("date,provider,model,amount_usd\n")
    assert "no line on any" in run("reconcile", bill, "--data", data).stderr
