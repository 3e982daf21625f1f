"""Bills that are read, and names for what explains a difference."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from taximeter.reports.bills import BillLine, read_bill
from taximeter.reports.reconciling import EXPLANATIONS, reconciled, total_row
from taximeter_schemas.errors import ConfigurationError

SUNDAY = date(2026, 11, 22)
Row = dict[str, object]

OPENAI_COSTS = """{"object": "page", "data": [{"object": "bucket",
  "start_time": 1795305600, "end_time": 1795392000, "results": [
    {"object": "organization.costs.result", "line_item": "gpt-4o-2024-08-06, input",
     "amount": {"value": 0.1000000000000000055511151231257827, "currency": "usd"}},
    {"object": "organization.costs.result", "line_item": "web search tool calls",
     "amount": {"value": "0.25", "currency": "usd"}}]}], "has_more": true}"""
OPENAI_USAGE = """{"data": [{"start_time": 1795305600, "results": [
    {"model": "gpt-4o-2024-08-06", "input_tokens": 1000, "input_cached_tokens": 800,
     "output_tokens": 500, "num_model_requests": 5}]}], "has_more": false}"""
ANTHROPIC_COST = """{"data": [{"starting_at": "2026-11-22T00:00:00Z", "results": [
    {"currency": "USD", "amount": "123.78912", "cost_type": "tokens",
     "model": "claude-sonnet-4-20250514", "description": "Usage"},
    {"currency": "USD", "amount": "100", "cost_type": "web_search", "model": null},
    {"currency": "USD", "amount": "1", "cost_type": null, "model": null}]}]}"""
ANTHROPIC_USAGE = """[{"data": [{"starting_at": "2026-11-22T00:00:00Z", "results": [
    {"model": "claude-sonnet-4-20250514", "uncached_input_tokens": 1500,
     "cache_creation": {"ephemeral_1h_input_tokens": 1000,
                        "ephemeral_5m_input_tokens": 500},
     "cache_read_input_tokens": 200, "output_tokens": 500,
     "server_tool_use": {"web_search_requests": 10}}]}]}]"""


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            OPENAI_COSTS,
            [
                BillLine("openai", SUNDAY, "gpt-4o",
                         Decimal("0.1000000000000000055511151231257827")),
                BillLine("openai", SUNDAY, None, Decimal("0.25"),
                         beside="web search tool calls"),
            ],
        ),
        (OPENAI_USAGE, [BillLine("openai", SUNDAY, "gpt-4o", None, 5, 1500)]),
        (
            ANTHROPIC_COST,
            [
                BillLine("anthropic", SUNDAY, "claude-sonnet-4", Decimal("1.2378912")),
                BillLine("anthropic", SUNDAY, None, Decimal(1), beside="web_search"),
                BillLine("anthropic", SUNDAY, None, Decimal("0.01")),
            ],
        ),
        (
            ANTHROPIC_USAGE,
            [BillLine("anthropic", SUNDAY, "claude-sonnet-4", None, None, 3700)],
        ),
    ],
)  # fmt: skip
def test_answers_of_billing_apis_are_read(
    tmp_path: Path, text: str, lines: list[BillLine]
) -> None:
    """Digit by digit; OpenAI's input has cached tokens in it, Anthropic's cents."""
    file = tmp_path / "bill.json"
    file.write_text(text)
    bill = read_bill(file)
    assert bill.lines == lines
    assert bill.complete == ("true" not in text)


def test_an_invoice_as_csv(tmp_path: Path) -> None:
    """A date, a provider and an amount are needed; all else is optional."""
    file = tmp_path / "invoice.csv"
    file.write_text('date,provider,amount_usd,model\n2026-11-22,OpenAI,"1,200.50",\n')
    assert read_bill(file).lines == [
        BillLine("openai", SUNDAY, None, Decimal("1200.50"))
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "{}"),
        ("a.json", "[]"),
        ("a.json", "not json"),
        ("a.json", '{"data": [{"start_time": 1, "results": [{}]}]}'),
        ("a.json", OPENAI_COSTS.replace('"usd"', '"eur"')),
        ("a.json", ANTHROPIC_COST.replace("123.78912", "NaN")),
        ("a.csv", "day,amount\n1,2\n"),
        ("a.csv", "date,provider,amount_usd\nsoon,openai,1\n"),
    ],
)
def test_what_is_no_bill_is_told(tmp_path: Path, name: str, text: str) -> None:
    """In one sentence, with what to save instead; never as an amount of 0."""
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="is no bill that can be read"):
        read_bill(file)


def a_cell(usd: str | None = "1", day: date = SUNDAY, **more: object) -> Row:
    """Return what the ledger says of a model on a day."""
    cost = None if usd is None else Decimal(usd)
    counts: Row = {"calls": 5, "unpriced_calls": 0, "input_tokens": 1000}
    named: Row = {"day": day, "provider": "openai", "model": "gpt-4o"}
    return {**named, "cost_usd": cost, **counts, "output_tokens": 500, **more}


def a_line(usd: str | None = "1", day: date = SUNDAY, **more: object) -> BillLine:
    """Return what the provider says of it."""
    line = BillLine("openai", day, "gpt-4o", None if usd is None else Decimal(usd))
    return line._replace(**more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "cells", "explanation"),
    [
        ([a_line("1.009")], [a_cell()], "equal"),
        ([a_line("1.01")], [a_cell()], "unexplained"),
        ([a_line("2", tokens=1500)], [a_cell()], "another price"),
        ([a_line("2"), a_line(None, tokens=3000)], [a_cell()], "calls missing here"),
        ([a_line("0.5", tokens=700)], [a_cell()], "calls missing there"),
        ([a_line("2", calls=9)], [a_cell()], "calls missing here"),
        ([a_line("2")], [a_cell(unpriced_calls=1)], "unpriced here"),
        ([a_line("2")], [a_cell(None, unpriced_calls=5)], "unpriced here"),
        ([a_line("2")], [], "not metered"),
        ([a_line("2", model=None, beside="search")], [], "charged beside tokens"),
        ([a_line(None, tokens=1500)], [a_cell()], "equal"),
        ([a_line(None, tokens=1000)], [a_cell()], "calls missing there"),
    ],
)
def test_a_difference_has_a_name(
    lines: list[BillLine], cells: list[Row], explanation: str
) -> None:
    """The first that fits what both sides say."""
    (row,) = reconciled(lines, cells)
    assert row["explanation"] == explanation


def test_what_is_not_on_the_bill() -> None:
    """Calls of a model that the bill does not have stand there without their side."""
    other, _ = reconciled([a_line(model="other")], [a_cell()])
    assert (other["model"], other["explanation"]) == ("gpt-4o", "not billed")
    assert (other["theirs_usd"], other["difference_usd"]) == (None, Decimal(1))


def test_two_days_that_make_each_other_up() -> None:
    """What one has too much and the next too little is a boundary of days."""
    saturday = date(2026, 11, 21)
    lines = [a_line("3", saturday), a_line("1")]
    rows = reconciled(lines, [a_cell("2", saturday), a_cell("2")])
    assert [row["explanation"] for row in rows] == ["day boundary"] * 2
    apart = [a_line("3", saturday), a_line("1.5")]
    rows = reconciled(apart, [a_cell("2", saturday), a_cell("2")])
    assert [row["explanation"] for row in rows] == ["unexplained"] * 2


def test_a_bill_without_models_is_held_against_all_of_them() -> None:
    """Ours are added up over models; dated names of a bill are those of events."""
    cells = [a_cell("1", model="a"), a_cell("2", model="b")]
    (row,) = reconciled([a_line("3", model=None)], cells)
    assert (row["model"], row["ours_usd"], row["explanation"]) == (None, 3, "equal")
    (row,) = reconciled([a_line()], [a_cell(model="gpt-4o-2024-08-06")])
    assert row["explanation"] == "equal"


def test_the_total_is_of_what_is_known() -> None:
    """Usage without amounts has no difference in money."""
    rows = reconciled([a_line("2"), a_line("1", model="b")], [a_cell("1.5")])
    total = total_row(rows)
    assert (total["ours_usd"], total["theirs_usd"]) == (Decimal("1.5"), Decimal(3))
    assert (total["difference_usd"], total["difference_percent"]) == (
        Decimal("-1.5"),
        Decimal("-50.00"),
    )
    assert total_row(reconciled([a_line(None)], []))["difference_usd"] is None


def test_explanations_are_documented() -> None:
    """Each name has a row in docs/reports.md."""
    page = (Path(__file__).parents[3] / "docs" / "reports.md").read_text("utf-8")
    assert [name for name in EXPLANATIONS if f"`{name}`" not in page] == []
