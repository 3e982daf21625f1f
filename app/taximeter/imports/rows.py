"""One row of a log, whatever the file: JSON has types, in CSV everything is text.

Pure. What a cell says is read here, once; a cell that says what it cannot mean refuses
its row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from taximeter_producers.attribution import label

__all__ = ["LeftOut", "Refused", "Row"]

_PLACES: Final = Decimal("1e-12")
_MICROSECOND: Final = Decimal("1e-6")
_ROOM: Final = Context(prec=60)
_MILLISECONDS_FROM: Final = 10**11
_MAX_SHOWN: Final = 40
_MAX_DIGITS: Final = 30


class Refused(Exception):
    """A row cannot be an event; the words say why, and what to do."""


class LeftOut(Exception):
    """A row is no billed call; the words say what it is instead."""


class Row:
    """Reads a row's cells by name; of several names the first that says anything.

    >>> row = Row({"prompt_tokens": "12", "user": "", "end_user": "ada"})
    >>> row.count("prompt_tokens"), row.text("user", "end_user"), row.count("n")
    (12, 'ada', None)
    """

    def __init__(self, cells: Mapping[str, Any]) -> None:
        self.cells = cells

    def value(self, *names: str) -> Any:  # noqa: ANN401 - as the log has it
        """Return a cell as it is; None where it is missing, null or empty."""
        found = (self.cells.get(name) for name in names)
        return next((cell for cell in found if cell is not None and cell != ""), None)

    def text(self, *names: str) -> str | None:
        """Return a cell as a label of at most 256 characters."""
        return label(self.value(*names))

    def required(self, *names: str) -> str:
        """Return a cell as a label.

        Raises:
            Refused: none of these says anything.
        """
        text = self.text(*names)
        if text is None:
            raise Refused(f"{' or '.join(names)} is missing")
        return text

    def count(self, *names: str) -> int | None:
        """Return a cell as a whole number from 0.

        Raises:
            Refused: it is none.
        """
        cell = self.value(*names)
        if cell is None:
            return None
        number = _number(cell)
        if number is None or number < 0 or number != number.to_integral_value():
            raise Refused(f"{self._said(*names)} is no count")
        return int(number)

    def seconds(self, *names: str) -> Decimal | None:
        """Return a cell as a length in seconds, to the microsecond.

        Raises:
            Refused: it is none.
        """
        cell = self.value(*names)
        if cell is None:
            return None
        number = _number(cell)
        if number is None or number < 0:
            raise Refused(f"{self._said(*names)} is no number of seconds")
        return number.quantize(_MICROSECOND, ROUND_HALF_EVEN, context=_ROOM)

    def amount_usd(self, *names: str) -> Decimal | None:
        """Return a cell as US dollars, rounded to 12 places.

        >>> Row({"cost": "0.00000012345678901234"}).amount_usd("cost")
        Decimal('1.23457E-7')

        Raises:
            Refused: it is no amount.
        """
        cell = self.value(*names)
        if cell is None:
            return None
        number = _number(cell)
        if number is None:
            raise Refused(f"{self._said(*names)} is no amount")
        return number.quantize(_PLACES, ROUND_HALF_EVEN, context=_ROOM)

    def moment(self, *names: str, zone: ZoneInfo | None = None) -> datetime | None:
        """Return a cell as a moment: ISO 8601, or seconds or milliseconds since 1970.

        Args:
            names: of the cells.
            zone: of a time that does not say it; UTC unless given.

        Raises:
            Refused: it is none.
        """
        cell = self.value(*names)
        if cell is None:
            return None
        try:
            return _moment(cell, zone)
        except (ValueError, OverflowError, OSError):
            raise Refused(f"{self._said(*names)} is no moment") from None

    def happened_at(self, *names: str, zone: ZoneInfo | None = None) -> datetime:
        """Return a cell as the moment of the call.

        Raises:
            Refused: it is none, or there is none.
        """
        moment = self.moment(*names, zone=zone)
        if moment is None:
            raise Refused(f"{' or '.join(names)} is missing")
        return moment

    def part(self, *names: str) -> Row:
        """Return what is nested in a cell, as an object or as the JSON of one."""
        nested = _json(self.value(*names))
        return Row(nested if isinstance(nested, Mapping) else {})

    def items(self, *names: str) -> list[Any]:
        """Return the list in a cell, or in its JSON; empty where there is none."""
        nested = _json(self.value(*names))
        return nested if isinstance(nested, list) else []

    def _said(self, *names: str) -> str:
        name = next(name for name in names if self.cells.get(name) not in (None, ""))
        return f"{name} {str(self.cells[name])[:_MAX_SHOWN]!r}"


def _number(cell: object) -> Decimal | None:
    if isinstance(cell, bool):
        return None
    try:
        number = Decimal(str(cell).strip())
    except InvalidOperation:
        return None
    known = number.is_finite() and number.adjusted() <= _MAX_DIGITS
    return number if known else None


def _moment(cell: object, zone: ZoneInfo | None) -> datetime:
    number = None if isinstance(cell, datetime) else _number(cell)
    if number is not None:
        seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
        whole, rest = divmod(seconds, 1)
        at = datetime.fromtimestamp(int(whole), UTC)
        return at.replace(microsecond=int(rest * 1_000_000))
    moment = datetime.fromisoformat(str(cell).strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone or UTC)
    return moment.astimezone(UTC)


def _json(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    try:
        return json.loads(cell, parse_float=Decimal)
    except ValueError:
        return None
