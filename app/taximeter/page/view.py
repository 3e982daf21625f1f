"""What the page is asked to show: all of it stands in its address.

Pure. A link on the page is the present view with one thing changed, so that whatever
is looked at can be sent to somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from taximeter.api.asking import FILTERS, chosen_calls
from taximeter.moments import time_zone
from taximeter.reports.stretches import Asked, stretch_of
from taximeter.spend_report import Stretch
from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.dimensions import TAG, is_dimension, is_period

__all__ = ["RANGES", "View"]

RANGES: Final = {
    "24h": "24 hours",
    "7d": "7 days",
    "30d": "30 days",
    "90d": "90 days",
    "12m": "12 months",
}
"""The stretches that one click away, by what the address says."""

_TIME: Final = ("from", "to", "last", "month")
_YEARS: Final = range(1990, 2200)
_LONGEST: Final = 256
_MOST_ROWS: Final = 1_000
# What a click on a value of a dimension leads to: what it was spent on, or who did.
_NEXT: Final = {"model": "user", "project": "user"}


@dataclass(frozen=True)
class View:
    """One way to look at spend.

    Args:
        time: the parameters about time, as they were given.
        by: the dimension that spend is told apart by.
        only: which calls count.
        top: how many rows a table has.
        zone: whose days and hours they are.
        zone_given: whether the address says so itself.
    """

    time: Mapping[str, str] = field(default_factory=lambda: {"last": "7d"})
    by: str = "model"
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    top: int = 8
    zone: str = "UTC"
    zone_given: bool = False

    @classmethod
    def parse(cls, parameters: Iterable[tuple[str, str]], zone: str = "UTC") -> View:
        """Return the view that an address asks for; `zone` is for one that has none.

        Raises:
            ConfigurationError: it asks for what there is not.

        >>> View.parse([("last", "30d"), ("user", "ada"), ("tag", "team=a")]).href
        '/?last=30d&user=ada&tag=team%3Da'
        """
        given: dict[str, list[str]] = {}
        for name, value in parameters:
            if value:
                given.setdefault(name, []).append(_short(value))
        latest = {name: values[-1] for name, values in given.items()}
        time: dict[str, str] = {n: latest[n] for n in _TIME if n in latest}
        chosen = chosen_calls(
            {name: given.get(name, []) for name in FILTERS}, given.get("tag", [])
        )
        view = cls(
            time=time or {"last": "7d"},
            by=_dimension(latest.get("by", "model")),
            only={name: tuple(dict.fromkeys(v)) for name, v in chosen.items()},
            top=_rows(latest.get("top", "8")),
            zone=latest.get("tz") or zone,
            zone_given="tz" in latest,
        )
        time_zone(view.zone)
        return view

    def stretch(self, now: datetime) -> Stretch:
        """Return the stretch of event time that is looked at.

        Raises:
            ConfigurationError: the address says none that there is.
        """
        start, end, last, month = (self.time.get(name) for name in _TIME)
        found = stretch_of(Asked(start, end, last, month, None, self.zone), now)
        for moment in (found.start, found.end):
            if moment is not None and moment.year not in _YEARS:
                raise ConfigurationError(
                    f"the page shows the years {_YEARS[0]} to {_YEARS[-1]}"
                )
        return found

    @property
    def href(self) -> str:
        """The address of this view; what is usual is left out of it."""
        query = urlencode(self.parameters())
        return f"/?{query}" if query else "/"

    def parameters(self, *, without: Sequence[str] = ()) -> list[tuple[str, str]]:
        """Return what the address says, as names and values."""
        usual = View()
        said = [] if self.time == usual.time else list(self.time.items())
        said += [("by", self.by)] if self.by != usual.by else []
        said += [_parameter(n, v) for n, values in self.only.items() for v in values]
        said += [("top", str(self.top))] if self.top != usual.top else []
        said += [("tz", self.zone)] if self.zone_given else []
        return [(name, value) for name, value in said if name not in without]

    def last(self, length: str) -> View:
        """Return the view over the latest so many days or hours."""
        return replace(self, time={"last": length})

    def between(self, start: datetime, end: datetime) -> View:
        """Return the view of `[start, end)`."""
        time = {"from": _moment(start), "to": _moment(end)}
        return replace(self, time=time)

    def told_by(self, dimension: str, top: int = 8) -> View:
        """Return the view told apart by another dimension."""
        return replace(self, by=dimension, top=top)

    def into(self, dimension: str, value: str) -> View:
        """Return the view of one value alone, told apart by what it consists of."""
        only = {**self.only, dimension: (value,)}
        following = _NEXT.get(dimension, "model")
        by = following if self.by == dimension and following not in only else self.by
        return replace(self, only=only, by=by)

    def without(self, dimension: str, value: str) -> View:
        """Return the view with one choice taken back."""
        kept = tuple(v for v in self.only.get(dimension, ()) if v != value)
        rest = {n: v for n, v in self.only.items() if n != dimension}
        return replace(self, only={**rest, dimension: kept} if kept else rest)

    def of_everything(self) -> View:
        """Return the view with no choice of calls."""
        return replace(self, only={})


def _parameter(dimension: str, value: str) -> tuple[str, str]:
    if dimension.startswith(TAG):
        return "tag", f"{dimension.removeprefix(TAG)}={value}"
    return dimension, value


def _dimension(name: str) -> str:
    if not is_dimension(name) or is_period(name):
        known = ", ".join(FILTERS)
        raise ConfigurationError(
            f"the page cannot tell spend apart by {name[:80]!r}: "
            f"choose from {known} or tag:NAME"
        )
    return name


def _rows(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= _MOST_ROWS:
        raise ConfigurationError(f"top is a number from 1 to {_MOST_ROWS}")
    return int(text)


def _short(value: str) -> str:
    if len(value) > _LONGEST:
        raise ConfigurationError(f"what is chosen has at most {_LONGEST} characters")
    return value


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M}Z"
