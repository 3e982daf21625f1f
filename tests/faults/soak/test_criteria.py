"""What the soak would find: made-up leaks and standstills, and its own stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

from taximeter_schemas.money import usd_from_pico
from tests.builders import NOON
from tests.faults.soak.memory import Occupied, bound_of, growth, longest_life
from tests.faults.soak.plan import EARLY, LATER, plan
from tests.faults.soak.stalls import Stalls
from tests.faults.soak.traffic import Traffic

_MIB = 1024 * 1024
PER_SECOND = 5_000


def occupied(
    mib: Callable[[int], float], seconds: int = 600, pid: int = 1
) -> list[Occupied]:
    """Return readings every ten seconds, of what this many events make of it."""
    random = Random(pid)
    return [
        Occupied(at, at * PER_SECOND, pid, mib(at * PER_SECOND) + random.uniform(-5, 5))
        for at in range(0, seconds, 10)
    ]


def found(readings: list[Occupied]) -> float:
    """Return the bytes an event that the criterion finds."""
    grown = growth(readings)
    assert grown is not None
    return grown.bytes_an_event


def test_a_leak_of_sixty_bytes_an_event_is_found() -> None:
    """However large the process was before, and however its memory wavers."""
    leaking = occupied(lambda events: 900 + events * 60 / _MIB)
    assert found(leaking) > bound_of("sink")


def test_a_workers_leak_is_found_though_it_gets_half_of_the_events() -> None:
    """Sixty bytes for each event that it handles are thirty for each that came in."""
    leaking = occupied(lambda events: 300 + events / 2 * 60 / _MIB)
    assert found(leaking) > bound_of("worker-2")


def test_what_fills_up_and_then_stays_is_no_leak() -> None:
    """A cache that is full after a fifth of the time does not count."""
    filling = occupied(lambda events: 200 + min(events, 600_000) * 300 / _MIB)
    assert found(filling) < bound_of("worker-2")


def with_ids(each: Occupied) -> Occupied:
    """Return a reading with the ids of partitions that came over after 400 seconds."""
    ids = 1_500_000 if each.seconds > 400 else 500_000
    return replace(each, ids=ids, mib=each.mib + ids * 100 / _MIB)


def test_ids_are_no_leak_and_hide_none() -> None:
    """What a worker takes over brings its ids; a leak beside them is one."""
    steady = occupied(lambda _: 200)
    leaking = occupied(lambda events: 200 + events / 2 * 60 / _MIB)
    assert found(list(map(with_ids, steady))) < bound_of("worker-2")
    assert found(list(map(with_ids, leaking))) > bound_of("worker-2")


def test_a_leak_is_looked_for_in_the_longest_life() -> None:
    """Restarts, which take a leak back, hide none."""
    short = occupied(lambda _: 100, seconds=200, pid=1)
    long = occupied(lambda events: 100 + events * 60 / _MIB, seconds=500, pid=2)
    life = longest_life([*short, *long])
    assert {each.pid for each in life} == {2}
    assert found(life) > bound_of("sink")


def test_too_few_readings_say_nothing() -> None:
    """A process that lived for a minute is not judged."""
    assert growth(occupied(lambda _: 100, seconds=60)) is None


def test_a_standstill_of_one_partition_is_a_standstill() -> None:
    """What flows in the others does not hide it, and it counts for its fault."""
    told: list[str] = []
    stalls = Stalls(dict, 2, lambda: told.append("long"))
    stalls.look({"0": 1, "1": 1}, 1e9)
    stalls.look({"0": 2, "1": 2}, 1e9 + 1)
    stalls.fault()
    for second in range(2, 90):
        moved = 2 if second < 70 else 3
        stalls.look({"0": second + 1, "1": moved}, 1e9 + second)
    assert stalls.of_faults == [69]
    assert told[1:] == ["long"]  # the first one is that of the made-up clock


def test_the_plan_holds_every_kind_and_spares_three_parts_in_the_end() -> None:
    """Every fault comes, and for two thirds of the time three parts live on."""
    faults = plan(1, 1200, 30)
    counts = Counter(fault.kind for fault in faults)
    assert set(counts) == set(EARLY)
    late = {fault.kind for fault in faults if fault.at_seconds >= 400}
    assert late == set(LATER)


def test_a_duplicate_comes_for_three_calls_in_a_hundred() -> None:
    """At once or later, never before its call."""
    traffic = Traffic(1, NOON, (0, 10, 1_000))
    sent = [each for number in range(10_000) for each in traffic.sent(number)]
    first = list(dict.fromkeys(sent))
    assert first == list(range(10_000))
    assert 250 < len(sent) - len(first) < 350


def test_what_is_expected_is_what_the_events_say() -> None:
    """The sums from numbers alone are those of the events that are sent."""
    traffic = Traffic(3, NOON)
    must = traffic.expected(500)
    events = [traffic.event(number) for number in range(500)]
    assert must.calls == 500
    assert must.unpriced == sum(event.provider == "acme" for event in events)
    assert set(must.by_user) <= {event.user_id for event in events}
    assert usd_from_pico(must.cost_pico) > 0
    assert must.by_user.total() == must.by_project.total()
