"""The dedupe memory is a function of the log, whoever holds it."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from taximeter_processors.dedupe import SeenIds
from tests.builders import NOON, an_id

HORIZON = timedelta(hours=24)
IDS = [an_id("dedupe", n) for n in range(6)]


class Seen(NamedTuple):
    """One record of the log: how much later than the one before, with which id."""

    hours_later: int
    id: int


# Now and then the broker's clock steps back.
logs = st.lists(
    st.builds(Seen, st.integers(-3, 15), st.integers(0, len(IDS) - 1)), max_size=60
)


def verdicts(seen: SeenIds, log: list[Seen], start: int, hours: int) -> list[bool]:
    """Return which records of the log, from an offset on, are first ones."""
    found: list[bool] = []
    for later, name in log[start:]:
        hours += later
        seen.advance(NOON + timedelta(hours=hours))
        found.append(seen.first_time(IDS[name]))
    return found


@given(logs, st.data())
def test_an_heir_has_the_very_same_memory(log: list[Seen], data: st.DataObject) -> None:
    """Whoever takes over anywhere, from what was written down, decides the same."""
    at = data.draw(st.integers(0, len(log)))
    flushes = data.draw(st.sets(st.integers(0, at)))
    first, rows = SeenIds(HORIZON), dict[bytes, bytes]()
    for start, end in pairwise(sorted({0, at} | flushes)):
        before = sum(seen.hours_later for seen in log[:start])
        verdicts(first, log[:end], start, before)
        for key, value in first.changed(end):
            if value is None:
                del rows[key]
            else:
                rows[key] = value
    heir = SeenIds(HORIZON)
    heir.restore(data.draw(st.permutations(list(rows.items()))))
    assert len(heir) == len(first)
    hours = sum(seen.hours_later for seen in log[:at])
    assert verdicts(heir, log, at, hours) == verdicts(first, log, at, hours)


@given(st.lists(st.builds(Seen, st.integers(0, 2), st.integers(0, 5)), max_size=60))
def test_an_id_counts_once_within_the_horizon(log: list[Seen]) -> None:
    """Two first ones of the same id are further apart than the horizon."""
    hours = 0
    counted: dict[int, int] = {}
    found = verdicts(SeenIds(HORIZON), log, 0, 0)
    for seen, first in zip(log, found, strict=True):
        hours += seen.hours_later
        if first:
            assert hours - counted.get(seen.id, -1000) >= 24
            counted[seen.id] = hours
