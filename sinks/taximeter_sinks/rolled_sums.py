"""Sums out of roll-ups, and what is behind their edges out of charges: pure.

A stretch of time is made of whole cells, and of what stands before the first and behind
the last of them, which only the charges can say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from taximeter_sinks.charge_sums import sums
from taximeter_sinks.dimensions import (
    QUARTER,
    Only,
    chosen,
    is_period,
    key,
    keys,
    known_zone,
    quoted,
)
from taximeter_sinks.roll_ups import CELL_SUMS, ROLL_UPS, ROLLED_SINCE, RollUp

__all__ = ["Wanted", "rolled_sums", "seconds_at_most"]

_QUARTER_SECONDS: Final = 900
_NONE, _HOUR, _WEEK = timedelta(0), timedelta(hours=1), timedelta(days=7)
# Of events: nothing is recorded of before the one and behind the other.
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


class Wanted(NamedTuple):
    """What is to be added up: by what, over `[start, end)`, of which calls.

    Where sums are to be placed in time, `by` begins with `QUARTER`, and none of them
    may be of more than `seconds`.
    """

    by: Sequence[str]
    start: datetime | None = None
    end: datetime | None = None
    only: Only | None = None
    seconds: int | None = None


def seconds_at_most(by: Sequence[str], zone: str) -> int | None:
    """Return how long cells may be that are placed in time; None for any length.

    Raises:
        ConfigurationError: there is no such time zone.
    """
    known_zone(zone)
    if not any(map(is_period, by)):
        return None
    return 3_600 if _has_whole_hours(zone) else _QUARTER_SECONDS


def rolled_sums(wanted: Wanted, version: int) -> str | None:
    """Return sums as `charge_sums.sums` has them, several rows for a key perhaps.

    None if no roll-up has them, or the stretch has none of its cells. The start of a
    cell stands for all that is in it: it is the `QUARTER` of a row.
    """
    roll_up = _answering(wanted) if version >= ROLLED_SINCE else None
    if roll_up is None:
        return None
    first, behind = roll_up.whole(wanted.start, wanted.end)
    if first is not None and behind is not None and first >= behind:
        return None
    parts = [_cells(roll_up, wanted, first, behind)]
    parts += _edges(roll_up, wanted, first, behind, version)
    return " UNION ALL ".join(f"({part})" for part in parts)


def _answering(wanted: Wanted) -> RollUp | None:
    chosen_by = [name for name, values in (wanted.only or {}).items() if values]
    apart = {key(name) for name in (*wanted.by, *chosen_by) if name != QUARTER}
    for roll_up in ROLL_UPS:
        short = wanted.seconds is None or roll_up.seconds <= wanted.seconds
        if short and apart <= set(roll_up.columns):
            return roll_up
    return None


def _cells(
    roll_up: RollUp, wanted: Wanted, first: int | None, behind: int | None
) -> str:
    bounds = [
        f"AND {roll_up.cell} {sign} {cell}"
        for sign, cell in ((">=", first), ("<", behind))
        if cell is not None
    ]
    where = f"{chosen(only=wanted.only)} {' '.join(bounds)}"
    factor = roll_up.seconds // _QUARTER_SECONDS
    apart = "".join(
        f'{roll_up.cell} * {factor} AS "{name}", ' if name == QUARTER else keys([name])
        for name in wanted.by
    )
    added = ", ".join(CELL_SUMS)
    return f"SELECT {apart}{added} FROM {roll_up.table} {where}"  # noqa: S608


def _edges(
    roll_up: RollUp,
    wanted: Wanted,
    first: int | None,
    behind: int | None,
    version: int,
) -> Iterator[str]:
    if first is not None and roll_up.begins(first) != wanted.start:
        yield _charged(wanted, wanted.start, roll_up.begins(first), version)
    if behind is not None and roll_up.begins(behind) != wanted.end:
        yield _charged(wanted, roll_up.begins(behind), wanted.end, version)


def _charged(
    wanted: Wanted, start: datetime | None, end: datetime | None, version: int
) -> str:
    def rows(which: str) -> str:
        return f"charges {chosen(start, end, wanted.only)} AND {which}"

    return sums(keys(wanted.by), quoted(wanted.by), rows, version)


@lru_cache
def _has_whole_hours(zone: str) -> bool:
    """Tell whether a zone has never been apart from UTC by half or quarter hours."""
    here, moment = ZoneInfo(zone), _EARLIEST
    while moment < _LATEST:
        if (moment.astimezone(here).utcoffset() or _NONE) % _HOUR:
            return False
        moment += _WEEK
    return True
