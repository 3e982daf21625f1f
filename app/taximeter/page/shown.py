"""How values read on the page: pure, from exact values to words.

An amount is rounded once, half-even, where it is shown; the exact one stands beside it
in the markup, and is what is copied, sorted and tested.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from taximeter.moments import time_zone
from taximeter.page.course import Bucket, Grain

__all__ = [
    "change",
    "compact",
    "count",
    "counted",
    "exact",
    "label",
    "moment",
    "money",
    "percent",
]

_CENT: Final = Decimal("0.01")
_MINUS: Final = "\N{MINUS SIGN}"  # as wide as a plus
_THOUSAND: Final = 1000
_HUNDRED: Final = 100
_NOT_KNOWN: Final = "\N{EN DASH}"


def money(usd: Decimal | None) -> str:
    r"""Return an amount to the cent; one that is less, and not nothing, says so.

    >>> money(Decimal("1234.565")), money(Decimal("0.000000000001")), money(None)
    ('$1,234.56', '<$0.01', 'unpriced')
    >>> money(Decimal("-2.5")) == "\N{MINUS SIGN}$2.50"
    True
    """
    if usd is None:
        return "unpriced"
    sign, size = (_MINUS if usd < 0 else ""), abs(usd)
    if 0 < size < _CENT / 2:
        return f"{sign}<$0.01"
    return f"{sign}${size.quantize(_CENT, ROUND_HALF_EVEN):,}"


def exact(usd: Decimal | None) -> str:
    """Return an amount as the ledger has it.

    >>> exact(Decimal("1E-12"))
    '0.000000000001'
    """
    return "" if usd is None else f"{usd:f}"


def count(number: int | None) -> str:
    """Return a whole number with its thousands apart; a dash where it is not known.

    >>> count(1234567)
    '1,234,567'
    """
    return _NOT_KNOWN if number is None else f"{number:,}"


def counted(number: int, what: str) -> str:
    """Return how many of something there are.

    >>> counted(1, "call"), counted(2000, "call")
    ('1 call', '2,000 calls')
    """
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def compact(number: int) -> str:
    """Return a whole number in three digits or so.

    >>> compact(999), compact(12345), compact(988_000), compact(2_500_000_000)
    ('999', '12.3k', '988k', '2.5G')
    """
    size, unit = Decimal(number), ""
    for larger in ("k", "M", "G"):
        if size < _THOUSAND:
            break
        size, unit = size / _THOUSAND, larger
    places = 1 if unit and size < _HUNDRED else 0
    return f"{size:,.{places}f}{unit}"


def percent(share: Decimal | None) -> str:
    """Return a share to a tenth of a percent.

    >>> percent(Decimal("12.34"))
    '12.3%'
    """
    if share is None:
        return _NOT_KNOWN
    return f"{share.quantize(Decimal('0.1'), ROUND_HALF_EVEN)}%"


def change(percents: Decimal | None) -> str:
    """Return how far something went up or down, in whole percent.

    >>> change(Decimal("12.5")), change(None)
    ('+12%', 'no comparison')
    """
    if percents is None:
        return "no comparison"
    whole = percents.quantize(Decimal(1), ROUND_HALF_EVEN)
    return f"{_MINUS if whole < 0 else '+'}{abs(whole):,}%"


def moment(when: datetime, zone: str) -> str:
    """Return a moment to the minute, as the clocks of a zone have it.

    >>> from datetime import UTC
    >>> moment(datetime(2026, 11, 22, 23, 30, tzinfo=UTC), "Europe/Berlin")
    '23 Nov 2026, 00:30'
    """
    here = when.astimezone(time_zone(zone))
    return f"{here.day} {here:%b %Y, %H:%M}"


def label(bucket: Bucket, grain: Grain, zone: str, *, long: bool = False) -> str:
    """Return what a column is called: beneath it, or in full.

    >>> from datetime import UTC, timedelta
    >>> start = datetime(2026, 11, 22, 23, tzinfo=UTC)
    >>> one = Bucket(start, start + timedelta(hours=1), 0, 0, Decimal(0), ())
    >>> label(one, "hour", "Europe/Berlin"), label(one, "day", "UTC", long=True)
    ('00:00', 'Sun 22 Nov 2026')
    """
    here = bucket.start.astimezone(time_zone(zone))
    if grain == "month":
        return f"{here:%b %Y}"
    if grain == "hour":
        return f"{here:%a} {here.day} {here:%b, %H:%M}" if long else f"{here:%H:%M}"
    day = f"{here.day} {here:%b}"
    if not long:
        return day
    return f"{'week of ' if grain == 'week' else ''}{here:%a} {day} {here.year}"
