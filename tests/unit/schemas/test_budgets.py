"""Budgets say whom they are for, over what, and when to speak up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from taximeter_schemas.budgets import BudgetDefined, alert_id
from taximeter_schemas.subjects import EVERYTHING, Scope, Subject, subject_of
from tests.builders import NOON

ALICE = Subject("user", "alice")


def _budget(**overrides: object) -> BudgetDefined:
    fields: dict[str, object] = {
        "budget_id": "b",
        "period": "day",
        "limit_usd": "10",
        "defined_at": NOON,
    }
    return BudgetDefined.model_validate(fields | overrides)


@pytest.mark.parametrize(
    ("scope", "subject", "covered"),
    [
        ({}, EVERYTHING, True),
        ({}, ALICE, False),
        ({"user": "alice"}, ALICE, True),
        ({"user": "bob"}, ALICE, False),
        ({"user": "*"}, ALICE, True),
        ({"user": "*"}, EVERYTHING, False),
        ({"project": "alice"}, ALICE, False),
        ({"model": "*"}, ALICE, False),
        ({"project": "*"}, Subject("project", "search"), True),
    ],
)
def test_scope_covers(scope: dict[str, str], subject: Subject, covered: bool) -> None:
    """A scope covers the subject it names, each of its kind, or, empty, everything."""
    assert Scope.model_validate(scope).covers(subject) is covered


@pytest.mark.parametrize(
    ("scope", "subject", "covered"),
    [
        ({"user": "alice", "model": "m"}, {"user": "alice", "model": "m"}, True),
        ({"user": "*", "model": "m"}, {"user": "alice", "model": "m"}, True),
        ({"user": "*", "model": "m"}, {"user": "alice", "model": "n"}, False),
        ({"user": "alice", "model": "m"}, {"user": "alice"}, False),
        ({"user": "alice"}, {"user": "alice", "model": "m"}, False),
        ({"tags": {"team": "*"}}, {"tag:team": "growth"}, True),
        ({"tags": {"r&d": "x"}, "user": "*"}, {"user": "bob", "tag:r%26d": "x"}, True),
        ({"user": "*", "exceptions": ["bob"]}, {"user": "bob"}, False),
        ({"user": "*", "exceptions": ["bob"]}, {"user": "alice"}, True),
    ],
)
def test_scope_of_several_dimensions(
    scope: dict[str, Any], subject: dict[str, str], covered: bool
) -> None:
    """What a scope names must all be so; a subject of other dimensions is another."""
    assert Scope(**scope).covers(subject_of(subject)) is covered


@pytest.mark.parametrize(
    ("scope", "why"),
    [
        ({"exceptions": ["bob"]}, "exceptions need"),
        ({"user": "alice", "exceptions": ["bob"]}, "exceptions need"),
        ({"user": "*", "model": "*", "exceptions": ["bob"]}, "exceptions need"),
        ({"plan": "free"}, "a plan is for each user"),
        ({"user": "alice", "plan": "free"}, "a plan is for each user"),
    ],
)
def test_scope_that_makes_no_sense_is_refused(scope: dict[str, Any], why: str) -> None:
    """Exceptions are from each of one kind, and plans are what users are on."""
    with pytest.raises(ValidationError, match=why):
        Scope(**scope)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"limit_tokens": 5}, "one of limit_usd, limit_tokens"),
        ({"starts_at": NOON}, "are for a fixed period"),
        ({"period": "fixed", "starts_at": NOON}, "starts_at and, later, ends_at"),
        (
            {"period": "fixed", "starts_at": NOON, "ends_at": NOON},
            "starts_at and, later, ends_at",
        ),
        ({"period": "total", "rollover": ["unused"]}, "only these hand anything on"),
        ({"on_exceeded": "fallback"}, "go together"),
        ({"fallback_model": "gpt-4o-mini"}, "go together"),
    ],
)
def test_budget_that_contradicts_itself_is_refused(
    fields: dict[str, Any], why: str
) -> None:
    """One limit; bounds where the period has them; a fallback where it is used."""
    with pytest.raises(ValidationError, match=why):
        _budget(**fields)


def test_scope_refuses_an_empty_name() -> None:
    """A name left empty by mistake does not become a budget for everything."""
    with pytest.raises(ValidationError, match="at least 1 character"):
        Scope(user="")


@pytest.mark.parametrize(
    "percents", [[], [80, 50], [50, 50], [0, 50], [-1], ["50"], [50.5], [10_001]]
)
def test_thresholds_that_make_no_sense_are_refused(percents: list[Any]) -> None:
    """Thresholds are whole percents above zero, ascending, each given once."""
    with pytest.raises(ValidationError, match="thresholds_percent"):
        _budget(thresholds_percent=percents)


def test_default_thresholds() -> None:
    """A budget speaks up at 50, 80, 90 and 100 percent unless told otherwise."""
    assert _budget().thresholds_percent == (50, 80, 90, 100)


def test_thresholds_may_pass_the_limit() -> None:
    """A threshold above 100 percent is allowed: overspending has degrees."""
    assert _budget(thresholds_percent=[100, 150]).thresholds_percent == (100, 150)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "\0", "/"])
def test_unknown_time_zone_is_an_error(zone: str) -> None:
    """A zone that nobody knows is refused by name rather than taken for UTC."""
    with pytest.raises(ValidationError, match="time_zone"):
        _budget(time_zone=zone)


@pytest.mark.parametrize("limit", ["-0.01", "NaN", "Infinity", "0.0000000000001"])
def test_limit_that_is_no_amount_is_refused(limit: str) -> None:
    """A limit is an amount of money that is not negative."""
    with pytest.raises(ValidationError, match="limit_usd"):
        _budget(limit_usd=limit)


def test_limit_of_nothing_is_a_budget() -> None:
    """A budget of zero dollars is allowed: it says that nothing may be spent."""
    assert _budget(limit_usd="0").limit_usd == 0


def test_alert_id_never_changes() -> None:
    """The id of an alert is what it was in every version so far.

    Should this fail, every alert would be raised again: mend the code, not the value.
    """
    found = alert_id("alice-daily", ALICE, NOON, 80, Decimal("25.50"))

    assert found == UUID("d329ec0e-e33d-5bc6-9e51-c02015482247")


def test_alert_id_does_not_depend_on_how_the_limit_is_written() -> None:
    """10, 10.00 and 1E+1 dollars are one limit and so one alert."""
    ids = {
        alert_id("b", ALICE, NOON, 80, Decimal(text)) for text in ("10", "10.00", "1E1")
    }

    assert len(ids) == 1


def test_each_crossing_has_an_alert_of_its_own() -> None:
    """Another budget, subject, period, threshold or limit is another alert."""
    ten = Decimal(10)
    ids = [
        alert_id("b", ALICE, NOON, 80, ten),
        alert_id("c", ALICE, NOON, 80, ten),
        alert_id("b", Subject("user", "bob"), NOON, 80, ten),
        alert_id("b", Subject("project", "alice"), NOON, 80, ten),
        alert_id("b", ALICE, NOON + timedelta(days=1), 80, ten),
        alert_id("b", ALICE, None, 80, ten),
        alert_id("b", ALICE, NOON, 90, ten),
        alert_id("b", ALICE, NOON, 80, Decimal(20)),
    ]

    assert len(set(ids)) == len(ids)


def test_alert_id_knows_moments_not_spellings() -> None:
    """Midnight in Berlin is one period start, in whatever zone it is written."""
    in_berlin = datetime(2026, 11, 22, tzinfo=ZoneInfo("Europe/Berlin"))
    spelled = [in_berlin, in_berlin.astimezone(UTC)]

    ids = {alert_id("b", ALICE, start, 80, Decimal(10)) for start in spelled}

    assert len(ids) == 1
