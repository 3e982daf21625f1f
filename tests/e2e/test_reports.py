"""`taximeter report`, as a person runs it: options, figures, forms of output."""

from __future__ import annotations

from pathlib import Path

import pytest

from taximeter.state import DataDir
from tests.e2e.reading import answer, json_of, rows_of, run
from tests.integration.sinks.reported import write_ledger


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the ledger that all of these read."""
    path = tmp_path_factory.mktemp("data")
    write_ledger(DataDir(path).ledger)
    return path


def test_each_row_says_what_a_call_costs(data: Path) -> None:
    """Average, median, 95th percentile, price of tokens, success; and its share."""
    ada, bob = json_of("report", "--data", data, "--by", "user")
    assert (ada["user"], ada["calls"], ada["unpriced_calls"]) == ("ada", 4, 0)
    assert ada["cost_usd"] == "3.003000000001"
    assert (ada["median_usd"], ada["p95_usd"]) == ("0.003000000000", "2.000000000000")
    assert (ada["success_percent"], ada["share_percent"]) == ("75.00", "50.02")
    assert (bob["average_usd"], bob["success_percent"]) == (
        "3.000000000000",
        "100.00",
    )


def test_two_dimensions_and_a_tag(data: Path) -> None:
    """A tag is a dimension; who has none stands in a row without a value."""
    rows = rows_of("report", "--data", data, "--by", "tag:team,user")
    assert [(row["tag:team"], row["user"], row["calls"]) for row in rows] == [
        ("growth", "ada", "2"),
        ("", "bob", "2"),
        ("", "ada", "2"),
    ]
    assert "(none)" in answer("report", "--data", data, "--by", "tag:team,user")


def test_filters_and_stretches(data: Path) -> None:
    """Filters choose calls; month and year choose time, in the zone given."""
    by_user = ("report", "--data", data, "--by", "user")
    assert len(json_of(*by_user, "--tag", "team=growth", "--model", "x")) == 0
    (ada,) = json_of(*by_user, "--tag", "team=growth")
    assert ada["cost_usd"] == "3.000000000000"
    assert len(json_of(*by_user, "--month", "2026-11", "--top", "1")) == 1
    assert json_of(*by_user, "--year", "2025") == []
    (bob,) = json_of(*by_user, "--from", "2026-11-20", "--to", "2026-11-21")
    assert bob["user"] == "bob"


def test_the_overview_says_when(data: Path) -> None:
    """Periods with their top models, the average day, the dearest hours and days."""
    told = json_of("report", "--data", data)
    assert [row["period"] for row in told["periods"]] == [
        "today",
        "this week",
        "this month",
        "all time",
    ]
    assert told["periods"][-1]["cost_usd"] == told["total"]["cost_usd"]
    assert told["periods"][-1]["top_models"][0]["model"] == "claude-sonnet-4-5"
    assert [row["days"] for row in told["rhythm"]] == ["Mon-Fri", "Sat-Sun"]
    assert told["peak_hours"][0]["hour_of_day"] == "12:00"
    dearest, other = told["peak_days"]
    assert (dearest["day"], other["day"]) == ("2026-11-22", "2026-11-20")
    assert (other["cost_usd"], other["calls"]) == ("3.000000000000", 1)
    assert dearest["top_projects"][0]["project"] == "search"
    assert other["top_models"][0]["share_percent"] == "100.00"
    text = answer("report", "--data", data)
    titles = ("Spend\n", "By model\n", "An average day\n", "Dearest days\n")
    assert [text.count(title) for title in titles] == [1, 1, 1, 1]
    # A stretch of its own has no today.
    assert json_of("report", "--data", data, "--year", "2026")["periods"] == []


def test_charts_and_markdown(data: Path) -> None:
    """Bars stand below the table; Markdown is a table, unpriced in words."""
    by_model = ("report", "--data", data, "--by", "model")
    assert "█" in answer(*by_model, "--chart")
    text = answer(*by_model, "--format", "md")
    head, marks, *rows = text.splitlines()
    assert head.startswith("| model | cost_usd | calls |")
    assert set(marks) <= set("|:- ")
    assert any("| nobody-knows |" in row and "unpriced" in row for row in rows)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--last", "soon"), "'soon' is no length"),
        (("--month", "May"), "'May' is not a month"),
        (("--last", "7d", "--year", "2026"), "give one of --last and --year"),
        (("--by", "tag:"), "choose from user, model"),
        (("--tag", "team"), "is not NAME=VALUE"),
    ],
)
def test_what_goes_wrong_is_one_line(
    data: Path, options: tuple[str, ...], words: str
) -> None:
    """And says what to write instead."""
    done = run("report", "--data", data, *options)
    assert done.returncode
    assert done.stdout == ""
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
