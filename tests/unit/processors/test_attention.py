"""Alerts besides thresholds, by example; the rules are in tests/property.

NOON is that of Sunday, 22 November 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from taximeter_processors.anomalies import AnomalyRules
from taximeter_processors.attention import AttentionRules
from taximeter_processors.digests import DigestPeriod, DigestRules
from taximeter_schemas.alerts import (
    Alert,
    BudgetForecastExceeded,
    DigestDue,
    PriceMissing,
    SpendAnomalyDetected,
    SpendRecovered,
    alert_key,
)
from taximeter_schemas.spend import PartialRow
from taximeter_schemas.subjects import EVERYTHING, Subject
from tests.builders import NOON
from tests.unit.processors.watched_budgets import (
    ALICE,
    MIDNIGHT,
    Watched,
    a_budget,
    spent,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MODEL = Subject("model", "nobody-knows")
DAILY = AttentionRules(digests=DigestRules(("day",)))


def history(
    days: int, usd: str = "5", until: datetime = NOON, subject: Subject = ALICE
) -> Iterator[PartialRow]:
    """Yield the same spend for every hour of the days before a moment."""
    for hours in range(days * 24, 0, -1):
        yield spent(usd, 0, until - hours * HOUR, subject)


def kinds(alerts: list[Alert]) -> list[str]:
    """Return the kinds of some alerts."""
    return [alert.event_type for alert in alerts]


def of_month(**overrides: object) -> Watched:
    """Return who watches a budget of 1,000 USD a month, and its forecast."""
    fields = {"period": "month", "limit_usd": "1000", "alert_on_forecast": True}
    before = {"defined_at": NOON - 300 * DAY}
    return Watched(a_budget(**(fields | before | overrides)))


def test_a_forecast_above_the_limit_is_told_of_once() -> None:
    """2 USD an hour make 1,440 in November, which passes 1,000 later that day."""
    watched = of_month()

    (alert,) = watched.told(NOON - DAY * 2, *history(40, "2", NOON - DAY * 2))

    assert isinstance(alert, BudgetForecastExceeded)
    assert alert.spent == 20 * 24 * 2 - 24  # until the 20th at noon
    assert alert.projected == 1440
    assert alert.projected_low <= 1440 <= alert.projected_high
    assert alert.crosses_at is not None
    assert alert.crosses_at.date() == date(2026, 11, 21)
    watched.restart()
    assert watched.told(NOON - DAY, spent("3", 1, NOON - DAY)) == []


def test_a_new_budget_is_looked_ahead_of_at_once() -> None:
    """Whoever defines it need not wait for the next quarter of an hour."""
    watched, now = Watched(), NOON - DAY * 2
    assert watched.told(now, *history(40, "2", now)) == []
    (budget,) = of_month().budgets

    watched.book.learn(budget)

    assert kinds(watched.told(now)) == ["BudgetForecastExceeded"]


@pytest.mark.parametrize(
    "overrides",
    [
        {"alert_on_forecast": False},
        {"limit_usd": "2000"},
        {"limit_usd": "900"},  # is crossed already
        {"period": "rolling_month"},
        {"period": "total"},
        {"limit_usd": None},
    ],
)
def test_a_forecast_is_told_of_only_where_it_says_something(
    overrides: dict[str, object],
) -> None:
    """It must be asked for, be above the limit, and the limit lie ahead."""
    watched = of_month(**overrides)

    told = watched.told(NOON - DAY * 2, *history(40, "2", NOON - DAY * 2))

    assert "BudgetForecastExceeded" not in kinds(told)


def test_a_period_that_has_just_begun_is_not_projected() -> None:
    """In the first tenth of a period nothing is said of its end."""
    third = MIDNIGHT - DAY * 19

    assert of_month().told(third, *history(40, "4", third)) == []


def test_a_raised_limit_may_be_told_of_anew() -> None:
    """Another limit is another alert."""
    watched = of_month()
    watched.told(NOON - DAY * 2, *history(40, "2", NOON - DAY * 2))
    watched.budgets = [
        a_budget(
            period="month",
            limit_usd="1200",
            alert_on_forecast=True,
            defined_at=NOON - 300 * DAY,
        )
    ]
    watched.restart()

    (alert,) = watched.told(NOON - DAY)

    assert isinstance(alert, BudgetForecastExceeded)
    assert alert.limit == 1200


def test_forecasts_are_in_the_unit_of_the_limit() -> None:
    """A budget of calls is projected in calls."""
    watched = of_month(limit_usd=None, limit_calls=600)

    (alert,) = watched.told(NOON - DAY * 2, *history(40, "0", NOON - DAY * 2))

    assert isinstance(alert, BudgetForecastExceeded)
    assert alert.unit == "calls"
    assert alert.projected == 720


def test_an_hour_far_from_usual_is_told_of_once() -> None:
    """5 USD an hour are usual, 12.50 may be, 13 are not."""
    watched = Watched()
    assert watched.told(NOON, *history(21)) == []
    assert watched.told(NOON + HOUR / 2, spent("12.5", 1)) == []

    (alert,) = watched.told(NOON + HOUR / 2, spent("13", 2))

    assert isinstance(alert, SpendAnomalyDetected)
    assert alert.spent_usd == 13
    assert alert.usual_usd == 5
    assert (alert.threshold_usd, alert.hour_start) == (Decimal("12.5"), NOON)
    assert alert_key(alert) == b"user:alice"
    watched.restart()
    assert watched.told(NOON + HOUR / 2, spent("99", 3)) == []


def test_the_quarters_of_an_hour_add_up() -> None:
    """An hour is what its four windows, and all source partitions, say."""
    watched = Watched()
    watched.told(NOON, *history(21))
    watched.takes(spent("6", 1), source=1)

    told = watched.told(NOON + HOUR / 2, spent("7", 1, NOON + HOUR / 4))

    assert kinds(told) == ["SpendAnomalyDetected"]


@pytest.mark.parametrize("days", [0, 13])
def test_who_is_new_is_not_odd(days: int) -> None:
    """Before the warm-up is over nothing is an anomaly."""
    watched = Watched()

    assert watched.told(NOON, *history(days), spent("500", 1)) == []


def test_little_money_is_never_odd() -> None:
    """Below the minimum nothing is an anomaly, however unusual."""
    watched = Watched()

    assert watched.told(NOON, *history(21, "0.01"), spent("9.99", 1)) == []


def test_what_was_odd_long_ago_is_not_told_of() -> None:
    """Usage of last week that is sent today raises nothing."""
    watched = Watched()
    watched.told(NOON, *history(30))

    assert watched.told(NOON, spent("500", 1, NOON - 3 * DAY)) == []


def test_other_kinds_of_subjects_are_left_alone() -> None:
    """Only the kinds that the rules name are compared."""
    rules = AttentionRules(AnomalyRules(kinds=("all",)))
    watched = Watched(rules=rules)

    assert watched.told(NOON, *history(21), spent("500", 1)) == []


def test_a_usual_hour_afterwards_is_told_of_once() -> None:
    """After a run of odd hours, the last of them recovers with the first usual hour."""
    watched = Watched()
    watched.told(NOON, *history(21))
    first = watched.told(NOON + HOUR / 2, spent("50", 1))
    second = watched.told(NOON + HOUR * 1.5, spent("50", 1, NOON + HOUR))
    watched.takes(spent("5", 2, NOON + HOUR * 2))
    assert watched.told(NOON + HOUR * 2.9) == []
    watched.restart()

    (alert,) = watched.told(NOON + HOUR * 3.25)

    assert kinds(first + second) == ["SpendAnomalyDetected"] * 2
    assert isinstance(alert, SpendRecovered)
    assert (alert.recovers, alert.reason) == (second[0].alert_id, "back_to_usual")
    assert alert.hour_start == NOON + HOUR * 2
    assert alert.spent_usd == 5
    assert watched.told(NOON + HOUR * 4.25) == []


def test_an_odd_hour_that_nobody_got_to_see_is_found_by_the_next() -> None:
    """A crash after a flush and before a look leaves nothing unsaid."""
    watched = Watched()
    watched.told(NOON, *history(21))
    watched.takes(spent("50", 1))
    watched.restart()

    assert kinds(watched.told(NOON + HOUR)) == ["SpendAnomalyDetected"]


def test_a_budget_below_its_limit_again_is_told_of_once() -> None:
    """A correction that undoes what was crossed says so, whatever follows."""
    watched = Watched(a_budget())
    assert watched.told(NOON, spent("12", 1)) == []

    (alert,) = watched.told(NOON, spent("9", 2))

    assert isinstance(alert, SpendRecovered)
    assert alert.recovers == watched.alerts[-1].alert_id
    assert (alert.reason, alert.budget_id) == ("below_limit", "alice-daily")
    assert alert.spent_usd == 9
    assert watched.told(NOON, spent("12", 3), spent("8", 4)) == []
    watched.restart()
    assert watched.told(NOON, spent("12", 5), spent("7", 6)) == []


def test_a_budget_recovers_across_a_restart() -> None:
    """Whoever takes over knows what was crossed."""
    watched = Watched(a_budget())
    watched.takes(spent("12", 1))
    watched.restart()

    assert kinds(watched.told(NOON, spent("9", 2))) == ["SpendRecovered"]


def test_what_was_never_crossed_does_not_recover() -> None:
    """Less spend below the limit is no news, and a limit that is raised neither."""
    watched = Watched(a_budget())
    assert watched.told(NOON, spent("9", 1), spent("8", 2)) == []
    watched.takes(spent("12", 3))
    watched.book.learn(a_budget(limit_usd="20"))
    assert watched.told(NOON) == []


def test_a_model_without_a_price_is_told_of_once_a_day() -> None:
    """Its calls of a day are one alert; the next day is another."""
    watched = Watched()

    (alert,) = watched.told(NOON, spent("0", 1, subject=MODEL, unpriced=2))

    assert isinstance(alert, PriceMissing)
    assert (alert.model, alert.day) == ("nobody-knows", NOON.date())
    assert alert.unpriced_calls == 2
    watched.restart()
    assert watched.told(NOON, spent("0", 2, subject=MODEL, unpriced=3)) == []
    later = spent("0", 3, NOON + DAY, MODEL, unpriced=1)
    assert kinds(watched.told(NOON + DAY, later)) == ["PriceMissing"]


@pytest.mark.parametrize(
    "row",
    [
        spent("0", 1, subject=MODEL),
        spent("0", 1, subject=ALICE, unpriced=1),
        spent("0", 1, NOON - 5 * DAY, MODEL, unpriced=1),
    ],
)
def test_nothing_else_lacks_a_price(row: PartialRow) -> None:
    """Calls with a price, users, and last week raise nothing."""
    assert Watched().told(NOON, row) == []


def test_a_day_s_digest_is_due_once_when_the_day_is_over() -> None:
    """It says what everybody spent in it, as soon as later spend is known."""
    watched = Watched(rules=DAILY)
    watched.takes(*history(1, "1", MIDNIGHT, EVERYTHING))
    assert watched.told(MIDNIGHT + timedelta(minutes=14)) == []
    after = spent("7", 1, MIDNIGHT, EVERYTHING, unpriced=1)

    (alert,) = watched.told(MIDNIGHT + timedelta(minutes=15), after)

    assert isinstance(alert, DigestDue)
    assert (alert.period_start, alert.period_end) == (MIDNIGHT - DAY, MIDNIGHT)
    assert alert.spent_usd == 24
    assert (alert.calls, alert.unpriced_calls) == (24, 0)
    watched.restart()
    assert watched.told(MIDNIGHT + HOUR * 20, spent("8", 2, NOON, EVERYTHING)) == []


def test_a_digest_waits_for_what_is_still_being_read() -> None:
    """After an outage the digest is made once nothing more came for ten minutes."""
    watched = Watched(rules=DAILY)
    morning = MIDNIGHT + HOUR * 8
    watched.book.tick(morning)

    assert watched.told(morning, *history(1, "1", MIDNIGHT, EVERYTHING)) == []
    assert kinds(watched.told(morning + timedelta(minutes=11))) == ["DigestDue"]


@pytest.mark.parametrize(
    ("period", "zone", "start"),
    [
        ("day", "America/New_York", "2026-11-20T05:00:00+00:00"),
        ("week", "Europe/Berlin", "2026-11-08T23:00:00+00:00"),
    ],
)
def test_digests_are_of_the_zone_s_days_and_weeks(
    period: DigestPeriod, zone: str, start: str
) -> None:
    """The latest day or week that is over there."""
    rules = AttentionRules(digests=DigestRules((period,), zone))
    watched = Watched(rules=rules)
    rows = history(20, "1", MIDNIGHT, EVERYTHING)

    (alert,) = watched.told(MIDNIGHT, *rows)

    assert isinstance(alert, DigestDue)
    assert alert.period_start.isoformat() == start


def test_nothing_spent_is_no_digest() -> None:
    """A period without a call has none, nor has who owns nobody's sum."""
    watched = Watched(rules=DAILY)

    assert watched.told(NOON, spent("1", 1, NOON, EVERYTHING)) == []
    assert Watched().told(NOON, *history(2, "1", NOON, EVERYTHING)) == []
