"""Budgets by example; tests/property/test_budgets.py has the rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from taximeter_processors.attention import AttentionRules
from taximeter_processors.merge import SpendMerge
from taximeter_schemas.budgets import BudgetRemoved
from taximeter_schemas.subjects import Scope, Subject, SubjectKind
from tests.builders import NOON
from tests.unit.processors.watched_budgets import (
    ALICE,
    MIDNIGHT,
    Watched,
    a_budget,
    spent,
)


def test_each_threshold_alerts_once() -> None:
    """50, 80, 90 and 100 % are raised when they are reached, and never again."""
    watched = Watched(a_budget())
    assert watched.takes(spent("4.999999999999")) == []
    assert watched.takes(spent("5", 1)) == [50]
    assert watched.takes(spent("5", 1)) == []
    assert watched.takes(spent("9.5", 2)) == [80, 90]
    assert watched.takes(spent("11", 3)) == [100]
    assert watched.takes(spent("99", 4)) == []


def test_an_alert_says_what_a_person_has_to_know() -> None:
    """Who, over what, how much of how much, and when it was raised."""
    watched = Watched(a_budget(thresholds_percent=(80,)))
    watched.takes(spent("8.5"))
    (alert,) = watched.alerts
    assert (alert.budget_id, alert.subject_kind, alert.subject_id) == (
        *("alice-daily", "user", "alice"),
    )
    assert (alert.period_start, alert.period_end) == (
        MIDNIGHT,
        MIDNIGHT + timedelta(days=1),
    )
    assert (alert.limit_usd, alert.spent_usd) == (Decimal(10), Decimal("8.5"))
    assert alert.raised_at == NOON
    assert alert.link is None


def test_an_alert_names_a_page_about_its_budget() -> None:
    """Where one is set, with the budget's id in it."""
    rules = AttentionRules(link="https://costs.example.org/?budget={budget}")
    watched = Watched(a_budget(thresholds_percent=(80,)), rules=rules)
    watched.takes(spent("8.5"))
    (alert,) = watched.alerts
    assert alert.link == "https://costs.example.org/?budget=alice-daily"


def test_a_restart_raises_nothing_again() -> None:
    """Latches are state: whoever takes over knows what was raised."""
    watched = Watched(a_budget())
    watched.takes(spent("8"))
    watched.restart()
    assert watched.flush() == []
    assert watched.takes(spent("8", 0)) == []
    assert watched.takes(spent("9", 1)) == [90]


def test_an_alert_that_was_not_written_is_raised_again() -> None:
    """A crash before the flush is durable loses neither the alert nor the spend."""
    watched = Watched(a_budget())
    watched.book.take(0, spent("5"))
    lost = watched.book.flush(NOON)
    watched.restart()
    assert watched.takes(spent("5")) == [50]
    assert [alert.alert_id for alert in watched.alerts] == [
        alert.alert_id for alert in lost.alerts
    ]


def test_partials_of_all_sources_add_up() -> None:
    """What a subject spent is the sum over the partitions of usage and windows."""
    watched = Watched(a_budget())
    watched.takes(spent("2"), source=0)
    watched.takes(spent("3", unpriced=1), source=1)
    watched.takes(spent("4", at=NOON + timedelta(hours=3)), source=1)
    assert watched.status.spent_usd == 9
    assert watched.status.remaining_usd == 1
    assert (watched.status.calls, watched.status.unpriced_calls) == (3, 1)
    assert watched.status.state == "warning"


def test_an_older_partial_changes_nothing() -> None:
    """The partial with the larger offset is the newer one, whenever it arrives."""
    watched = Watched(a_budget())
    watched.takes(spent("4", 7))
    watched.takes(spent("9", 6))
    assert watched.status.spent_usd == 4


def test_a_budget_defined_later_counts_what_was_spent() -> None:
    """A budget defined in the middle of its period knows the whole period."""
    watched = Watched()
    watched.takes(spent("9"))
    watched.book.learn(a_budget(defined_at=NOON))
    assert watched.flush() == [50, 80, 90]
    assert watched.status.spent_usd == 9


def test_a_budget_learned_during_a_flush_is_not_overheard() -> None:
    """Writing takes time; what is learned meanwhile is said by the next flush."""
    watched = Watched()
    watched.takes(spent("9"))
    watched.book.take(0, spent("9.5", 1))
    watched.rows.update(watched.book.flush(NOON).rows)
    watched.book.learn(a_budget(defined_at=NOON))
    watched.book.flushed()
    assert watched.book.has_changed
    assert watched.flush() == [50, 80, 90]


def test_periods_before_the_budget_raise_nothing() -> None:
    """Nobody is told of a limit that was not there when the money was spent."""
    watched = Watched(a_budget(defined_at=MIDNIGHT))
    assert watched.takes(spent("99", at=MIDNIGHT - timedelta(hours=1))) == []
    assert watched.takes(spent("99", at=MIDNIGHT)) == [50, 80, 90, 100]


def test_late_spend_of_an_earlier_period_raises_its_own_alert() -> None:
    """An event that arrives late counts in its own period, which is latched apart."""
    watched = Watched(a_budget(defined_at=MIDNIGHT - timedelta(days=9)))
    assert watched.takes(spent("5")) == [50]
    assert watched.takes(spent("5", at=NOON - timedelta(days=1))) == [50]
    assert {alert.period_start for alert in watched.alerts} == {
        MIDNIGHT,
        MIDNIGHT - timedelta(days=1),
    }


def test_a_removed_budget_says_nothing() -> None:
    """After its removal there are no alerts, and what was said is taken back."""
    watched = Watched(a_budget())
    watched.takes(spent("4"))
    removed = BudgetRemoved(
        event_type="BudgetRemoved", budget_id="alice-daily", removed_at=NOON
    )
    watched.book.learn(removed)
    assert watched.takes(spent("99", 1)) == []
    assert watched.statuses == {}


def test_a_redefined_limit_is_a_new_promise() -> None:
    """Another limit is latched anew; the same one again is not."""
    watched = Watched(a_budget())
    watched.takes(spent("9"))
    watched.book.learn(a_budget())
    assert watched.flush() == []
    watched.book.learn(a_budget(limit_usd="18"))
    assert watched.flush() == [50]
    assert watched.status.limit_usd == 18
    watched.book.learn(a_budget(limit_usd="10.00"))
    assert watched.flush() == []


def test_a_limit_of_zero_is_crossed_by_anything() -> None:
    """Nothing spent is within it; the first pico-dollar crosses every threshold."""
    watched = Watched(a_budget(limit_usd="0"))
    states: list[str] = []
    for offset, usd in enumerate(("0", "0.000000000001")):
        watched.takes(spent(usd, offset))
        states.append(watched.status.state)
    assert states == ["within", "exceeded"]
    assert [a.threshold_percent for a in watched.alerts] == [50, 80, 90, 100]


def test_money_that_comes_back_takes_no_alert_back() -> None:
    """A correction may lower the spend; what was raised stays raised, once."""
    watched = Watched(a_budget())
    assert watched.takes(spent("5")) == [50]
    assert watched.takes(spent("-1", 1)) == []
    assert watched.status.state == "within"
    assert watched.takes(spent("5", 2)) == []


def test_a_budget_for_each_user_is_one_for_every_user() -> None:
    """`*` counts each user apart, and nobody else's kind of subject."""
    watched = Watched(a_budget(scope=Scope(user="*")))
    watched.takes(spent("5"), spent("5", subject=Subject("user", "bob")))
    watched.takes(spent("5", subject=Subject("project", "alice")))
    assert {alert.subject_id for alert in watched.alerts} == {"alice", "bob"}


def test_subjects_of_other_kinds_do_not_count() -> None:
    """A user's budget hears neither of a model nor of everything."""
    watched = Watched(a_budget())
    kinds: tuple[SubjectKind, ...] = ("all", "model", "project")
    watched.takes(*(spent("99", subject=Subject(kind, "alice")) for kind in kinds))
    assert watched.statuses == {}


def test_a_period_may_begin_before_the_first_moment() -> None:
    """The earliest event there can be lies in a week that began before it."""
    watched = Watched(a_budget(period="week"))
    watched.takes(spent("1", at=datetime(2000, 1, 1, tzinfo=UTC)))
    assert watched.status.period_start == datetime(1999, 12, 27, tzinfo=UTC)


def test_a_day_is_the_zones_day() -> None:
    """Ten at night in UTC is the next day in Kolkata."""
    watched = Watched(a_budget(time_zone="Asia/Kolkata"))
    watched.takes(spent("1", at=MIDNIGHT + timedelta(hours=22)))
    assert watched.status.period_start == MIDNIGHT + timedelta(hours=18, minutes=30)


def test_a_late_event_finds_a_period_that_was_let_go() -> None:
    """Memory holds what is going on; the rest is read back from the rows."""
    watched = Watched(a_budget())
    watched.restart(most_in_mind=1)
    watched.takes(spent("4"), spent("0.5", 1, NOON + timedelta(hours=1)))
    days = [NOON + timedelta(days=day) for day in range(1, 9)]
    for offset, day in enumerate(days, 2):
        watched.book.take(0, spent("1", offset, day))
        watched.flush(day)
    held = len(watched.book._accounts)
    assert held < len(days)
    assert watched.takes(spent("0.6", 99, NOON + timedelta(minutes=30))) == [50]
    first_day = watched.statuses[b"alice-daily|user|alice|" + _started(MIDNIGHT)]
    assert first_day.spent_usd == Decimal("5.1")


def test_an_account_is_let_go_for_good() -> None:
    """What is late in two windows of a period that is over ends in one account."""
    watched = Watched(a_budget())
    watched.restart(most_in_mind=1)
    later, next_week = NOON + timedelta(hours=1), NOON + timedelta(days=7)
    watched.takes(spent("1"))
    watched.book.take(0, spent("1", 1, next_week))
    watched.flush(next_week)
    watched.takes(spent("1", 2, later))
    assert watched.takes(spent("4", 3)) == [50]
    first_day = watched.statuses[b"alice-daily|user|alice|" + _started(MIDNIGHT)]
    assert first_day.spent_usd == Decimal(5)


def test_what_was_late_during_a_flush_is_not_let_go() -> None:
    """It has yet to be said: one account, and an alert once."""
    watched = Watched(a_budget())
    watched.restart(most_in_mind=1)
    later, next_week = NOON + timedelta(hours=1), NOON + timedelta(days=7)
    watched.takes(spent("1"))
    watched.book.take(0, spent("1", 1, next_week))
    flush = watched.book.flush(next_week)
    watched.book.take(0, spent("5", 2))
    watched.rows.update(flush.rows)
    watched.book.flushed()
    assert watched.takes(spent("1", 3, later)) == [50]
    first_day = watched.statuses[b"alice-daily|user|alice|" + _started(MIDNIGHT)]
    assert first_day.spent_usd == Decimal(6)


def _started(moment: datetime) -> bytes:
    return moment.isoformat().encode()


def _with_its_first_day_let_go() -> Watched:
    """Return a book that has 6 USD in each of two days, the first let go."""
    watched = Watched(a_budget(budget_id="other"))
    watched.restart(most_in_mind=1)
    for offset, day in enumerate((NOON, NOON + timedelta(days=1))):
        watched.book.take(0, spent("6", offset, day))
        watched.flush(day)
    watched.statuses.clear()
    return watched


def test_a_new_budget_says_nothing_of_periods_that_are_over() -> None:
    """It counts what the present one has spent, and leaves history be."""
    watched = _with_its_first_day_let_go()
    watched.book.learn(a_budget(defined_at=NOON + timedelta(days=1)))
    watched.flush()
    assert watched.status.period_start == MIDNIGHT + timedelta(days=1)


def test_what_was_late_is_said_whatever_is_learned_before_the_flush() -> None:
    """Also for a period that had ended before the budget was defined."""
    watched = _with_its_first_day_let_go()
    watched.book.take(0, spent("7", 2))
    watched.book.learn(a_budget(defined_at=NOON + timedelta(days=1)))
    watched.flush()
    first_day = watched.statuses[b"alice-daily|user|alice|" + _started(MIDNIGHT)]
    assert first_day.spent_usd == 7


def test_a_budget_that_is_learned_late_alerts_for_a_period_it_was_there_in() -> None:
    """Who replays a day in a second is ahead of the news of its budgets."""
    watched = _with_its_first_day_let_go()
    watched.book.learn(a_budget(defined_at=NOON))
    assert watched.flush() == [50, 50]
    assert sorted(status.spent_usd for status in watched.statuses.values()) == [6, 6]


def test_merging_keeps_the_newest_of_each_source() -> None:
    """Rows that were stored are read back, and go on from there."""
    merge = SpendMerge({})
    merge.take(0, spent("1", 5))
    merge.take(1, spent("2", 3))
    stored = dict(merge.changed())
    again = SpendMerge(stored)
    assert again.take(0, spent("9", 4)) is None
    replaced = again.take(0, spent("9", 6))
    assert replaced is not None
    assert replaced.old == spent("1", 5).partial
    (key,) = again.windows()
    partials = again.sources(key).values()
    assert key[:2] == ALICE
    assert {partial.cost_pico for partial in partials} == {
        "9000000000000",
        "2000000000000",
    }
