"""Budgets as a file: what it says is defined, and every mistake is named."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from taximeter.budget_files import changes, parse_budgets, scope_as_written
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.subjects import Scope
from tests.builders import NOON

FILE = """
budgets:
  - id: alice-daily
    scope: {user: alice}
    period: day
    time_zone: Europe/Berlin
    limit_usd: 10.10
  - id: each-user
    scope: {each: user}
    period: month
    limit_usd: 1234567890123456.123456789012
    thresholds_percent: [80, 100]
  - id: company
    scope: everything
    period: total
    limit_usd: "500"
"""

VALID = "{id: a, scope: everything, period: day, limit_usd: 1}"


def _parsed(text: str) -> list[BudgetDefined]:
    return parse_budgets(text, "budgets.yaml", NOON)


def test_a_file_says_what_is_defined() -> None:
    """Every field arrives, with the defaults of the schema for those left out."""
    alice, each, company = _parsed(FILE)
    assert alice.budget_id == "alice-daily"
    assert alice.scope == Scope(user="alice")
    assert (alice.period, alice.time_zone) == ("day", "Europe/Berlin")
    assert alice.thresholds_percent == (50, 80, 90, 100)
    assert alice.defined_at == NOON
    assert each.thresholds_percent == (80, 100)
    assert [scope_as_written(each.scope), scope_as_written(company.scope)] == [
        {"each": "user"},
        "everything",
    ]


def test_limits_are_exact() -> None:
    """A number in YAML is no float: each of its digits counts."""
    limits = [budget.limit_usd for budget in _parsed(FILE)]
    assert limits == [
        Decimal("10.10"),
        Decimal("1234567890123456.123456789012"),
        Decimal(500),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("budgets: [", "budgets.yaml: not YAML (line 1)"),
        ("", "a list of budgets under 'budgets:' is needed"),
        ("- 1", "a list of budgets under 'budgets:' is needed"),
        ("budget: []", "budget: only 'budgets' is known"),
        ("budgets: [7]", "budget 1: an entry is a mapping"),
        (f"budgets: [{VALID}, {VALID}]", "budget 2 (a): id: an earlier entry"),
        ("budgets: [{id: a, period: day, limit_usd: 1}]", "(a): scope: is needed"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, words: str) -> None:
    """The answer names the file, the entry and what is missing."""
    with pytest.raises(ConfigurationError, match=r"^budgets\.yaml: ") as refused:
        _parsed(text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("scope: nobody", "scope: is everything, {user: NAME}"),
        ("scope: {each: tag}", "scope: is everything"),
        ("scope: {user: a, model: b}", "scope: is everything"),
        ("scope: {user: 7}", "scope.user: "),
        ("period: fortnight", "period: Input should be 'hour', 'day'"),
        ("time_zone: Mars/Olympus", "time_zone: Value error, 'Mars/Olympus' is not"),
        ("limit_usd: -1", "limit_usd: Input should be greater than or equal to 0"),
        ("limit_usd: .inf", "limit_usd: "),
        ("limit_usd: 2026-01-01", "limit_usd: "),
        ("limit_usd: 0.0000000000001", "limit_usd: "),
        ("thresholds_percent: [90, 50]", "thresholds_percent: "),
        ("thresholds_percent: []", "thresholds_percent: "),
        ("id: 7", "id: Input should be a valid string"),
        ("limits: 1", "limits: no such field; there are id, scope"),
    ],
)
def test_a_mistake_is_named(field: str, words: str) -> None:
    """The answer names the field and says why."""
    name = field.partition(":")[0]
    kept = {
        "id": "id: a",
        "scope": "scope: everything",
        "period": "period: day",
        "limit_usd": "limit_usd: 1",
    } | {name: field}
    with pytest.raises(ConfigurationError, match="budget 1 ") as refused:
        _parsed(f"budgets: [{{{', '.join(kept.values())}}}]")
    assert words in str(refused.value)


def test_every_mistake_is_told_at_once() -> None:
    """Nobody has to run the command once for each mistake."""
    with pytest.raises(ConfigurationError) as refused:
        _parsed("budgets: [{id: a}, {id: b, scope: x, period: day, limit_usd: 1}]")
    assert "budget 1 (a): scope: is needed" in str(refused.value)
    assert "budget 2 (b): scope: is" in str(refused.value)


def test_what_is_defined_already_keeps_its_moment() -> None:
    """Applying a file again changes nothing; a changed budget is defined anew."""
    before = {budget.budget_id: budget for budget in _parsed(FILE)[:2]}
    later = parse_budgets(
        FILE.replace("10.10", "20"), "budgets.yaml", NOON + timedelta(days=1)
    )
    alice, each, company = changes(later, before)
    assert (alice.action, each.action, company.action) == (
        "changed",
        "unchanged",
        "added",
    )
    assert each.budget.defined_at == NOON
    assert alice.budget.defined_at == NOON + timedelta(days=1)
    again = changes(later, {budget.budget_id: budget for budget in later})
    assert {change.action for change in again} == {"unchanged"}
