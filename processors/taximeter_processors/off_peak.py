"""At which moments a model has its off-peak prices, and what they replace.

Pure: the moment is the call's own, never that of the pricing. The rules are those of
litellm's `llm_cost_calc/utils.py` (`_is_off_peak`, `apply_off_peak_pricing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from typing import Final, cast
from zoneinfo import ZoneInfo

from taximeter_processors.price_entries import PriceEntry, pico_per_unit

__all__ = ["OffPeak", "off_peak_of"]

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RATES: Final = (
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "output_cost_per_reasoning_token",
)
_LONG_WRITE: Final = "cache_creation_input_token_cost_above_1hr"


@dataclass(frozen=True)
class _Window:
    """Every day from `start` up to `end`; over midnight, or the whole day, if later.

    `weekdays` are ISO numbers, None for all.
    """

    start: time
    end: time
    weekdays: frozenset[int] | None

    def covers(self, moment: datetime, calendar: tzinfo) -> bool:
        days = self.weekdays
        if days is not None and moment.astimezone(calendar).isoweekday() not in days:
            return False
        now = moment.time()
        if self.start < self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end


@dataclass(frozen=True)
class OffPeak:
    """The off-peak block of one entry.

    >>> off_peak = off_peak_of(PriceEntry("m", {"off_peak_pricing": {
    ...     "input_cost_per_token": "1e-7",
    ...     "windows": [{"hours_utc": "22:00-06:00", "weekdays": ["Mon", 2]}],
    ... }}))
    >>> monday = datetime(2026, 11, 2, 23, tzinfo=UTC)
    >>> off_peak.covers(monday), off_peak.covers(monday.replace(hour=6))
    (True, False)
    >>> off_peak.covers(monday.replace(day=4))
    False
    """

    rates: Mapping[str, object]
    windows: tuple[_Window, ...]
    calendar: tzinfo

    def covers(self, moment: datetime) -> bool:
        """Whether the prices hold at an aware moment: from a start, up to an end."""
        utc = moment.astimezone(UTC)
        return any(window.covers(utc, self.calendar) for window in self.windows)

    def applied(self, entry: PriceEntry) -> PriceEntry:
        """Return the entry as it is off-peak.

        A stated price replaces whatever would hold otherwise, at every length and in
        every service tier; what is not stated stays. Writing for an hour has no
        off-peak price of its own.
        """
        kept = {
            name: value
            for name, value in entry.fields.items()
            if name != "tiered_pricing" and not self._replaces(name)
        }
        tiers = entry.fields.get("tiered_pricing")
        if isinstance(tiers, list):
            stated = cast("list[dict[str, object]]", tiers)
            kept["tiered_pricing"] = [{**tier, **self.rates} for tier in stated]
        return entry.replaced({**kept, **self.rates})

    def _replaces(self, name: str) -> bool:
        return name.startswith(tuple(self.rates)) and not name.startswith(_LONG_WRITE)


def off_peak_of(entry: PriceEntry) -> OffPeak | None:
    """Return the off-peak block of an entry, None if it has none that ever holds."""
    block = entry.table("off_peak_pricing")
    windows = tuple(_windows(block))
    rates = {name: block[name] for name in _RATES if _is_price(block.get(name))}
    if not windows or not rates:
        return None
    return OffPeak(rates, windows, _calendar(block.get("weekday_timezone")))


def _is_price(value: object) -> bool:
    return pico_per_unit(value) is not None


def _windows(block: Mapping[str, object]) -> Iterator[_Window]:
    for hours in _texts(block.get("hours_utc")):
        yield from _window(hours, None)
    rules = block.get("windows")
    for rule in cast("list[object]", rules) if isinstance(rules, list) else []:
        if isinstance(rule, dict):
            stated = cast("dict[str, object]", rule)
            days = _weekdays(stated.get("weekdays"))
            for hours in _texts(stated.get("hours_utc")):
                yield from _window(hours, days)


def _window(hours: str, weekdays: frozenset[int] | None) -> Iterator[_Window]:
    """Read "HH:MM-HH:MM"; what is not written so is no window."""
    start, dash, end = hours.partition("-")
    try:
        if dash:
            yield _Window(_clock(start), _clock(end), weekdays)
    except ValueError:
        return


def _clock(text: str) -> time:
    hour, _, minute = text.strip().partition(":")
    return time(int(hour), int(minute))


def _weekdays(stated: object) -> frozenset[int] | None:
    if stated is None:
        return None
    days = cast("list[object]", stated) if isinstance(stated, list) else []
    return frozenset(day for one in days if (day := _weekday(one)) is not None)


def _weekday(stated: object) -> int | None:
    if isinstance(stated, str):
        short = stated.strip().lower()[:3]
        return _WEEKDAYS.index(short) + 1 if short in _WEEKDAYS else None
    return stated if isinstance(stated, int) and stated in range(1, 8) else None


def _calendar(stated: object) -> tzinfo:
    try:
        return ZoneInfo(stated.strip()) if isinstance(stated, str) else UTC
    except (ValueError, KeyError, OSError):
        return UTC


def _texts(stated: object) -> list[str]:
    if isinstance(stated, str):
        return [stated]
    rows = cast("list[object]", stated) if isinstance(stated, list) else []
    return [row for row in rows if isinstance(row, str)]
