"""Places between two steps of a worker or a sink at which a test can end its process.

`TAXIMETER_FAULT_POINT="price_usage.written:3"` kills the worker, as the kernel would,
when it comes to that place for the third time. Without the variable nothing is armed,
and a place costs a look at a name. There is no setting for it: it is for the fault
suite, which holds every place there is against the promise that nothing is lost there
and nothing counted twice.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from taximeter_schemas.errors import ConfigurationError

__all__ = ["OPENING", "SINK_POINTS", "VARIABLE", "WORKER_POINTS", "arm", "reached"]

VARIABLE: Final = "TAXIMETER_FAULT_POINT"

_FLUSH: Final = ("flushing", "begun", "written", "committed", "acknowledged")
_OPEN: Final = ("fenced", "restored", "opened")

WORKER_POINTS: Final = (
    *(f"price_usage.{step}" for step in (*_FLUSH, "repeated", *_OPEN)),
    *(f"watch_budgets.{step}" for step in (*_FLUSH, *_OPEN)),
)
"""Every place in a worker, by agent.

A flush comes by `flushing` (nothing is written), `repeated` (what may be repeated is),
`begun` (a transaction), `written` (all of it, not committed), `committed` (not
acknowledged) and `acknowledged`. Opening a partition comes by `fenced` (the earlier
owner cannot write any more), `restored` (its rows are read back) and `opened`.
"""

OPENING: Final = tuple(p for p in WORKER_POINTS if p.rpartition(".")[2] in _OPEN)
"""Those of them that stand at the opening of a partition."""

SINK_POINTS: Final = tuple(
    f"sink.{step}" for step in ("begun", "inserted", "stored", "committed")
)
"""Every place in the sink's one transaction.

A flush comes by `begun` (a transaction), `inserted` (the rows are in it), `stored` (so
are the offsets, and nothing is committed) and `committed` (nobody was told).
"""

_PLACES: Final = (*WORKER_POINTS, *SINK_POINTS)


@dataclass
class _Armed:
    point: str
    times: int


_armed: _Armed | None = None


def arm(environment: Mapping[str, str]) -> None:
    """Take note of what the environment asks for; once, when a process starts.

    Raises:
        ConfigurationError: if there is no such place, or no number behind it.
    """
    global _armed  # noqa: PLW0603 - the one process that is to be killed
    asked = environment.get(VARIABLE)
    _armed = _read(asked) if asked else None


def reached(part: str, step: str) -> None:
    """End the process with SIGKILL if this is the place, and the time, asked for."""
    if _armed is not None:
        _count(_armed, f"{part}.{step}")


def _count(armed: _Armed, point: str) -> None:
    if armed.point == point:
        armed.times -= 1
        if not armed.times:
            os.kill(os.getpid(), signal.SIGKILL)


def _read(asked: str) -> _Armed:
    point, _, times = asked.partition(":")
    if point not in _PLACES or not times.isdecimal() or int(times) < 1:
        raise ConfigurationError(
            f"{VARIABLE}: {asked!r} is no place and count, like {_PLACES[0]}:3; "
            f"places are {', '.join(_PLACES)}"
        )
    return _Armed(point, int(times))
