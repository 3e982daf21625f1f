"""Kinds of subject that budgets ask for, by example; tests/property has the rule."""

from __future__ import annotations

import pytest

from taximeter_processors.kinds import Kinds, asked_for, identify
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.subjects import Scope
from tests.builders import NOON, a_usage
from tests.metering import Bench, as_packed
from tests.property.test_kinds import recount

TEAM = "tag:team"


def growth_calls(bench: Bench) -> int:
    """Return how many calls the newest partials say that team growth made."""
    partials = bench.newest_partials()
    return sum(p.calls for (kind, _, _), p in partials.items() if kind == TEAM)


def sends(bench: Bench) -> None:
    """Send one call of team growth, and flush."""
    bench.run(as_packed(a_usage(tags={"team": "growth"})))


def asks(bench: Bench, *kinds: str) -> None:
    """Ask for kinds, and flush."""
    bench.meter.count_kinds(kinds)
    bench.flush()


def recounts(bench: Bench) -> None:
    """Read the charges back, and flush."""
    recount(bench)
    bench.flush()


def test_what_was_charged_before_is_added() -> None:
    """A kind is incomplete until the charges were read back; then it has them all."""
    bench = Bench()
    sends(bench)
    asks(bench, TEAM)
    sends(bench)
    assert (growth_calls(bench), list(bench.meter.uncounted)) == (1, [TEAM])
    recounts(bench)
    assert (growth_calls(bench), list(bench.meter.uncounted)) == (2, [])


@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize("calls_between", [0, 1])
def test_what_is_asked_for_again_is_counted_anew(
    crashes: bool, calls_between: int
) -> None:
    """Sums of a former time count for nothing, whether or not much happened since."""
    bench = Bench()
    sends(bench)
    for kinds in ([TEAM], [], [TEAM]):
        asks(bench, *kinds)
        recounts(bench)
        if crashes:
            bench.crash()
        for _ in range(calls_between):
            sends(bench)
    assert growth_calls(bench) == 1 + 3 * calls_between
    stored = bench.spend()
    assert sum(p.calls for key, p in stored.items() if key[0] == TEAM) == (
        1 + 3 * calls_between
    )


def test_a_recount_survives_when_nothing_else_happens() -> None:
    """What was read back is still there after a restart and another flush."""
    bench = Bench()
    sends(bench)
    asks(bench, TEAM)
    recounts(bench)
    bench.crash()
    sends(bench)
    assert growth_calls(bench) == 2


def test_a_recount_for_nobody_is_dropped() -> None:
    """A kind that is dropped and asked for while it is read back begins anew."""
    bench = Bench()
    sends(bench)
    asks(bench, TEAM)
    since = bench.meter.uncounted[TEAM]
    asks(bench)
    sends(bench)
    asks(bench, TEAM)
    bench.meter.recounted(TEAM, since, {})
    assert bench.meter.uncounted


def test_always_counted_kinds_are_not_asked_for() -> None:
    """Only what no meter counts anyway has to be asked for."""

    def budget(scope: Scope) -> BudgetDefined:
        return BudgetDefined(
            budget_id=scope.kind, scope=scope, period="day", defined_at=NOON
        )

    scopes = Scope(), Scope(user="*"), Scope(user="*", model="m"), Scope(session="s")
    assert asked_for(map(budget, scopes)) == {"user&model", "session"}


@pytest.mark.parametrize(
    ("kind", "id_"),
    [
        ("provider", "anthropic"),
        ("source", "tests"),
        ("api_key", None),
        ("endpoint", "/answer"),
        ("tag:r%26d", "yes"),
        ("tag:none", None),
        ("user&endpoint", '["alice","/answer"]'),
        ("user&session", None),
    ],
)
def test_whom_a_call_counts_for(kind: str, id_: str | None) -> None:
    """One value in each dimension, and nobody where the call says nothing of one."""
    call = a_usage(endpoint="/answer", tags={"r&d": "yes"})
    assert identify(kind)(call) == id_


def test_kinds_of_a_fresh_partition() -> None:
    """A partition that never heard of any kind counts none, and has no row to write."""
    assert (Kinds(None).counted, Kinds(None).has_changed) == ({}, False)
