"""Budgets as a file: what it says is defined, and every mistake is named."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from taximeter.budget_book import Book
from taximeter.budget_changes import changes
from taximeter.budget_files import BudgetFile, parse_budgets
from taximeter.budget_scopes import scope_as_written, scope_from
from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetEvent,
    BudgetRemoved,
    PlanAssigned,
)
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
    return parse_budgets(text, "budgets.yaml", NOON).budgets


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
        (
            "budget: []",
            "budget: only 'budgets', 'plans', 'assignments', ",
        ),
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
        ("scope: user= & model=m", "scope: is everything"),
        ("scope: {plan: free, user: a}", "scope: a plan is a scope of its own"),
        ("scope: {user: a, except: [b]}", "exceptions need a scope of each"),
        ("scope: {tags: 7}", "scope: tags are a mapping"),
        ("scope: {each: tag}", "scope: is everything"),
        ("scope: {user: 7}", "scope: user: "),
        ("period: fortnight", "period: Input should be 'hour', 'day'"),
        ("time_zone: Mars/Olympus", "(a): time_zone: 'Mars/Olympus' is not an"),
        ("limit_usd: -1", "limit_usd: Input should be greater than or equal to 0"),
        ("limit_usd: .inf", "limit_usd: "),
        ("limit_usd: 2026-01-01", "limit_usd: "),
        ("limit_usd: 0.0000000000001", "limit_usd: "),
        ("thresholds_percent: [90, 50]", "ascending order (given '[90, 50]')"),
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
    before = Book({budget.budget_id: budget for budget in _parsed(FILE)[:2]})
    tomorrow = NOON + timedelta(days=1)
    later = parse_budgets(FILE.replace("10.10", "20"), "budgets.yaml", tomorrow)
    alice, each, company = changes(later, before, tomorrow)
    assert (alice.action, each.action, company.action) == (
        "changed",
        "unchanged",
        "added",
    )
    assert each.event is None
    assert alice.in_words() == "limit_usd 10.1 → 20"
    assert isinstance(alice.event, BudgetDefined)
    assert alice.event.defined_at == tomorrow
    again = changes(later, _book(later), tomorrow)
    assert {change.action for change in again} == {"unchanged"}


def _book(file: BudgetFile) -> Book:
    book = Book()
    events: list[BudgetEvent] = [*file.budgets, *file.assignments]
    for event in events:
        book.learn(event)
    return book


def test_what_left_the_file_is_removed_only_on_request() -> None:
    """Without --prune it is told of and kept, with it there is a removal for each."""
    book = _book(parse_budgets(PLANS, "plans.yaml", NOON))
    empty = parse_budgets("budgets: []", "empty.yaml", NOON)
    kept = changes(empty, book, NOON)
    assert {(change.action, change.event) for change in kept} == {("kept", None)}
    for change in changes(empty, book, NOON, "carol@laptop", prune=True):
        assert change.action == "removed"
        assert change.event is not None
        assert _signature(change.event) == "carol@laptop"
        book.learn(change.event)
    assert book == Book()


def _signature(event: BudgetEvent) -> str | None:
    """Return who is said to have done it."""
    match event:
        case BudgetRemoved():
            return event.removed_by
        case PlanAssigned():
            return event.assigned_by
        case _:
            return event.defined_by


PLANS = """
plans:
  free: {limit_usd: 2, period: day}
  trial: {limit_calls: 100}
assignments: {alice: pro, bob: enterprise}
default_plan: free
"""


def test_plans_are_budgets_for_those_who_are_on_them() -> None:
    """A file's own plans and those known without it, and who is on which."""
    file = parse_budgets(PLANS, "plans.yaml", NOON, "carol@laptop")
    found = {
        budget.scope.plan: (budget.budget_id, budget.period, budget.limit)
        for budget in file.budgets
    }
    assert found == {
        "free": ("plan:free", "day", 2),
        "trial": ("plan:trial", "month", 100),
        "pro": ("plan:pro", "month", 100),
        "enterprise": ("plan:enterprise", "month", None),
    }
    assert {(one.user_id, one.plan) for one in file.assignments} == {
        ("*", "free"),
        ("alice", "pro"),
        ("bob", "enterprise"),
    }
    assert {one.assigned_by for one in file.assignments} == {"carol@laptop"}
    assert {budget.defined_by for budget in file.budgets} == {"carol@laptop"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("assignments: {alice: gold}", "no plan 'gold'; there are free, basic"),
        ("default_plan: gold", "no plan 'gold'"),
        ("plans: {a: 7}", "plans.a: is a mapping such as"),
        ("plans: {a: {limit: 7}}", "limit: Extra inputs are not permitted"),
        ("plans: [a]", "plans: is a mapping"),
    ],
)
def test_a_plan_that_is_none_is_refused(text: str, words: str) -> None:
    """The answer names the file and what is wrong."""
    with pytest.raises(ConfigurationError, match=r"^plans\.yaml: ") as refused:
        parse_budgets(text, "plans.yaml", NOON)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("written", "scope"),
    [
        ("{user: alice, model: gpt-4o}", Scope(user="alice", model="gpt-4o")),
        ("user=alice & model=gpt-4o", Scope(user="alice", model="gpt-4o")),
        ("{each: [user, 'tag:team']}", Scope(user="*", tags={"team": "*"})),
        ("{tags: {team: growth}}", Scope(tags={"team": "growth"})),
        ("{'tag:team': growth}", Scope(tags={"team": "growth"})),
        ("{each: user, except: [bob]}", Scope(user="*", exceptions=("bob",))),
        ("{api_key: 'sha256:5e'}", Scope(api_key="sha256:5e")),
        ("{plan: free}", Scope(user="*", plan="free")),
    ],
)
def test_forms_of_a_scope(written: str, scope: Scope) -> None:
    """Each form is read as it is meant, and as it is written again."""
    entry = f"{{id: a, scope: {written}, period: day, limit_usd: 1}}"
    (budget,) = _parsed(f"budgets: [{entry}]")
    assert budget.scope == scope
    assert scope_from(scope_as_written(budget.scope)) == scope


def test_everything_that_a_budget_can_be() -> None:
    """Periods with bounds, units, what is handed on, and what a guard is to do."""
    given = """
budgets:
  - {id: a, scope: everything, period: rolling_day, limit_tokens: 5000}
  - {id: b, scope: everything, period: month, limit_usd: unlimited}
  - id: c
    scope: everything
    period: fixed
    starts_at: 2026-11-01T00:00:00Z
    ends_at: 2027-01-01T00:00:00Z
    limit_calls: 7
    on_exceeded: fallback
    fallback_model: gpt-4o-mini
    when_unknown: fail_closed
  - {id: d, scope: everything, period: week, limit_usd: 1, rollover: [unused]}
"""
    rolling, free, fixed, saving = _parsed(given)
    assert (rolling.unit, rolling.limit_tokens) == ("tokens", 5000)
    assert free.limit is None
    assert (fixed.unit, fixed.fallback_model) == ("calls", "gpt-4o-mini")
    assert saving.rollover == ("unused",)
