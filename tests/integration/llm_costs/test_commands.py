"""Every command of `llm costs` says what it is asked, of the same few calls."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import llm
import pytest
from openpyxl import load_workbook

from taximeter.llm_costs import estimate_prompt, get_costs, set_budget
from taximeter_schemas.clock import SystemClock
from tests.integration.llm_costs.conftest import CHEAP, DEAR, FREE, Tool
from tests.llm_tool import Saying, log_call, written


def test_the_summary_shows_each_period(used: Tool) -> None:
    """Today, this week, this month and all time, and this month's models."""
    said = used.run("costs")
    for words in ("today", "this week", "this month", "all time", "gpt-4o-mini"):
        assert words in said
    found = used.asked("costs")
    assert [row["cost_usd"] for row in found["periods"]] == ["0.005040000000"] * 4
    shares = [row["share_percent"] for row in found["by_model"]]
    assert shares == ["89.29", "10.71", None]


def test_the_summary_in_detail_and_as_bars(used: Tool) -> None:
    """--detailed adds projects, weekdays, days and conversations; --chart draws."""
    said = used.run("costs", "--detailed", "--chart")
    for title in ("By project", "By day of the week", "Dearest conversations"):
        assert title in said
    assert "█" in said


def test_the_summary_of_some_calls(used: Tool) -> None:
    """Periods, dates, models, projects and tags choose which calls count."""
    for words, cost in (
        (("--period", "today"), "0.005040000000"),
        (("--model", DEAR), "0.004500000000"),
        (("--project", "letters"), "0.000270000000"),
        (("--tag", "team=growth"), "0.004770000000"),
        (("--from", "2024-11-01", "--to", "2024-11-15"), "0.000000000000"),
    ):
        assert used.asked("costs", *words)["total"]["cost_usd"] == cost


def test_the_summary_as_csv(used: Tool) -> None:
    """For programs a row is a row, and amounts are exact."""
    (total,) = (row for row in used.rows("costs") if row["by"] == "total")
    assert total["cost_usd"] == "0.005040000000"


def test_budgets_are_set_shown_and_removed(used: Tool) -> None:
    """A budget of each kind is defined once, stands somewhere, and can go."""
    for words in (
        ("--daily", "2"),
        ("--weekly", "10"),
        ("25",),
        ("--yearly", "500"),
        ("--monthly", "15", "--project", "search", "--alert-at", "0.8", "0.9"),
        ("--monthly", "10", "--model", "gpt-4o", "--fallback", CHEAP),
    ):
        said = used.run("costs", "set-budget", *words)
        if words == ("25",):
            assert "25.00 USD a month for everything; told at 80%, 90%, 100%" in said
    standing = {row["budget_id"]: row for row in used.asked("costs", "budget-status")}
    assert sorted(standing) == [
        *("day", "month", "month-model-gpt-4o", "month-project-search"),
        *("week", "year"),
    ]
    assert standing["month"]["spent_usd"] == "0.005040000000"
    assert standing["month"]["remaining_usd"] == "24.994960000000"
    assert standing["month"]["projected"] is not None
    assert float(standing["month"]["days_left"]) > 0
    assert standing["month"]["average_a_day"] is not None
    (of_project,) = used.asked("costs", "budget-status", "--project", "search")
    assert of_project["spent_usd"] == "0.004770000000"
    (of_model,) = used.asked("costs", "budget-status", "--model", "gpt-4o")
    assert of_model["budget_id"] == "month-model-gpt-4o"
    used.run("costs", "remove-budget", "day")
    assert len(used.asked("costs", "budget-status", "--all")) == 5
    assert "there are month" in used.run("costs", "remove-budget", "day", code=1)


def test_alerts_are_set_tried_and_listed(used: Tool) -> None:
    """Shares hold for all budgets, methods are written down, what was raised stays."""
    used.run("costs", "set-budget", "0.006")
    said = used.run("costs", "set-alerts", "--thresholds", "0.75", "0.90", "1.0")
    assert "75%, 90%, 100%" in said
    used.run("costs", "set-alerts", "--method", "terminal")
    assert "terminal: accepted" in used.run("costs", "test-alert")
    assert "needs --email" in used.run(
        "costs", "set-alerts", "--method", "email", code=1
    )
    raised = used.asked("costs", "alerts")
    assert [row["threshold_percent"] for row in raised if row["budget_id"]] == [75]
    set_so = used.rows("costs", "config", "--show-alerts")
    shown = {row["setting"]: row["value"] for row in set_so}
    assert shown["alerts.routes"] == "terminal (terminal)"


def test_a_webhook_that_refuses_is_told_of(used: Tool) -> None:
    """A test alert that nobody accepts ends with an error, and says where it failed."""
    url = "json://127.0.0.1:9/hook"
    used.run("costs", "set-alerts", "--method", "terminal,webhook", "--url", url)
    said = used.run("costs", "test-alert", code=1)
    assert "terminal: accepted" in said
    assert "webhook" in said.splitlines()[-1]


def test_a_prompt_and_a_batch_are_estimated(used: Tool, tmp_path: Path) -> None:
    """By the price of the model, with what they would do to the budgets."""
    set_budget(1)
    one = used.asked("costs", "estimate", "Hello", "--model", CHEAP)
    assert Decimal(one["cost_usd"]) > Decimal("0.0003")
    assert one["budgets"][0]["budget_id"] == "month"
    batch = tmp_path / "prompts.csv"
    batch.write_text("prompt,note\nHello,a\nHello,b\n")
    many = used.asked("costs", "estimate", "--batch", str(batch), "--model", CHEAP)
    assert Decimal(many["cost_usd"]) == 2 * Decimal(one["cost_usd"])
    assert "no price is known" in used.run(
        "costs", "estimate", "Hello", "--model", FREE, code=1
    )


def test_reports_are_shown_and_exported(used: Tool, tmp_path: Path) -> None:
    """By any dimension, call by call, and into the files that people ask for."""
    rows = used.asked("costs", "report", "--last", "7d", "--by", "project")
    assert {row["project"] for row in rows} == {"search", "letters", "unattributed"}
    drawn = used.run("costs", "report", "--week", "--by", "project", "--include-chart")
    assert "█" in drawn
    assert used.asked("costs", "report", "--year", "2024", "--by", "tag:team") == []
    assert "'llm costs report --by provider,model'" in used.run("costs", "report")
    (dearest, *_) = used.asked("costs", "report", "--detailed")["calls"]
    assert dearest["cost_usd"] == "0.004500000000"
    for ending in ("csv", "xlsx", "pdf", "json"):
        used.run("costs", "report", "--export", str(tmp_path / f"costs.{ending}"))
        assert (tmp_path / f"costs.{ending}").stat().st_size > 0
    assert len((tmp_path / "costs.csv").read_text().splitlines()) == 5
    assert load_workbook(tmp_path / "costs.xlsx").sheetnames


def test_a_month_has_its_report(used: Tool) -> None:
    """What was spent in it, on which models and projects, and on which days."""
    month = f"{SystemClock().now():%Y-%m}"
    found = used.asked("costs", "report", "--month", month)
    assert (found["total"]["cost_usd"], found["total"]["calls"]) == (
        "0.005040000000",
        4,
    )
    model, project = found["by_model"][0], found["by_project"][0]
    assert (model["model"], model["share_percent"]) == ("gpt-4o", "89.29")
    assert (project["project"], project["share_percent"]) == ("search", "94.64")
    (day,) = found["peak_days"]
    assert day["top_projects"][0]["project"] == "search"


def test_conversations_have_their_names(used: Tool) -> None:
    """The dearest first, by the name that the tool gave it."""
    used.prompt(model=DEAR)
    (row,) = used.asked("costs", "by-conversation", "--top", "1")
    assert (row["name"], row["cost_usd"]) == ("Is it?", "0.004500000000")
    assert (row["calls"], row["models"]) == (1, "gpt-4o")
    assert used.asked("costs", "by-conversation", "--to", "2024-11-01") == []


def test_tags_are_shown_by_model(used: Tool) -> None:
    """What a tag cost, by its values; of all tags where none is named."""
    (dear, cheap) = used.asked("costs", "by-tag", "--tags", "finance")
    assert (dear["model"], cheap["model"]) == ("gpt-4o", "gpt-4o-mini")
    assert {row["tag"] for row in used.asked("costs", "by-tag")} == {"finance", "team"}
    only = used.asked("costs", "by-tag", "--tag", "team=growth")
    assert {(row["tag"], row["value"]) for row in only} == {("team", "growth")}


def test_periods_projects_and_models_are_compared(used: Tool) -> None:
    """Side by side, with the change from one to the other."""
    found = used.asked("costs", "compare", "--projects", "letters,search")
    assert found["total"][0]["change"] == "0.004500000000"
    by_calls = ("--metric", "calls")
    assert used.asked("costs", "compare", "--periods", "2024-10,2024-11", *by_calls)[
        "sides"
    ]


def test_prices_are_shown_stated_and_updated(used: Tool, tmp_path: Path) -> None:
    """A stated price holds from then on; a newer list is taken over from a file."""
    shown = {row["model"]: row for row in used.asked("costs", "pricing")}
    assert shown[DEAR]["input_per_million"] == "2.50"
    assert shown[FREE]["input_per_million"] is None
    (missing,) = used.asked("costs", "pricing", "--missing")
    assert missing["model"] == FREE
    used.run("costs", "update-pricing", "--model", FREE, "--manual", "--free")
    llm.get_model(FREE).prompt("Is it?").text()
    assert used.totals().unpriced_calls == 1
    newer = tmp_path / "list.json"
    newer.write_text(
        '{"gpt-4o-mini": {"litellm_provider": "openai", "mode": "chat", '
        '"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}}'
    )
    words = ("update-pricing", "--from", str(newer), "--model", CHEAP)
    assert "in force from now on" in used.run("costs", *words)
    llm.get_model(CHEAP).prompt("Is it?").text()
    assert used.totals().cost_usd == Decimal("0.00504") + Decimal("0.0012")
    full = used.asked("costs", "pricing", "--model", CHEAP)
    assert full["gpt-4o-mini"]["prices"]


def test_the_status_says_what_is_tracked(used: Tool) -> None:
    """Whether calls are noted, how many there are, and what has no price."""
    found = used.asked("costs", "status")
    assert (found["tracking"], found["calls"], found["unpriced_calls"]) == (True, 4, 1)


def test_what_is_set_holds(used: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    """costs.yaml and the environment define budgets; a removed line removes one."""
    used.home.config.write_text(
        "budgets:\n- {id: letters, scope: 'project=letters', period: month, "
        "limit_usd: 5}\nreports: {format: md}\n"
    )
    monkeypatch.setenv("LLM_COSTS_MONTHLY_USD", "30")
    assert "| today |" in used.run("costs")
    rows = used.asked("costs", "budget-status")
    assert {row["budget_id"] for row in rows} == {"letters", "month"}
    used.home.config.unlink()
    rows = used.asked("costs", "budget-status")
    assert [row["budget_id"] for row in rows] == ["month"]
    used.home.config.write_text("reports: {colour: red}")
    assert "costs.yaml: reports.colour" in used.run("costs", code=1)


def test_what_is_wanted_now_and_then_is_done(tool: Tool, tmp_path: Path) -> None:
    """Last month's report is written once, and a price list that is bad is told of."""
    log_call(tool.home.logs_db, Saying(CHEAP))
    earlier = (SystemClock().now().replace(day=1) - timedelta(days=2)).isoformat()
    written(tool.home.logs_db, "UPDATE turns SET datetime_utc = ?", earlier)
    reports = tmp_path / "reports"
    tool.home.config.write_text(
        f"reports: {{export_dir: {reports}, export_as: csv}}\n"
        f"prices: {{update_every_days: 7, source: {tmp_path}/nothing.json}}\n"
    )
    assert "prices stay as they are" in tool.run("costs", "status")
    assert "prices stay as they are" not in tool.run("costs", "status")
    (report,) = reports.iterdir()
    assert len(report.read_text().splitlines()) == 2


def test_programs_ask_the_same(used: Tool) -> None:
    """Costs, budgets and estimates are functions, too."""
    found = get_costs("month")
    assert (found.total, found.calls) == (Decimal("0.00504"), 4)
    assert found.unpriced_calls == 1
    assert found.models["gpt-4o"] == Decimal("0.0045")
    assert get_costs("today", project="letters").total == Decimal("0.00027")
    budget = set_budget(50, alert_thresholds=[0.8, 1.0])
    assert budget.limit_usd == 50
    assert budget.thresholds_percent == (80, 100)
    assert estimate_prompt("Hello", CHEAP).cost_usd > 0
    assert used.asked("costs", "budget-status")[0]["limit_usd"] == "50.000000000000"
