"""Bodies as they come (objects, text, bytes) and the counts that stand in them.

A `Part` is one object of a body that knows where it stands, so that whatever cannot be
read is named by its path. It reads counts, never texts: no prompt gets into an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final

from taximeter_schemas.fields import MAX_COUNT

__all__ = ["Faulty", "Part", "as_json", "without_texts"]

_MICROSECOND: Final = Decimal("0.000001")
_MAX_DEPTH: Final = 16
_MAX_LISTED: Final = 64
_MAX_TEXT: Final = 64
_MAX_NUMBER: Final = 10**30
_MAX_SHOWN: Final = 40
_SCALARS: Final = frozenset({str, int, float, bool, Decimal})


class Faulty(ValueError):
    """A field that contradicts another, or is not what its name says."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}")


class Part:
    """One object of a body, read by the names of its fields.

    A field that is missing and one that is null are the same: not stated.

    Args:
        said: the fields; None where the body has no such object.
        path: where it stands, for the words of an error.
    """

    def __init__(self, said: Mapping[str, object] | None, path: str) -> None:
        self.said: Mapping[str, object] = said or {}
        self.path = path

    def name(self, field: str) -> str:
        """Return a field's path.

        >>> Part({}, "usage").name("total_tokens")
        'usage.total_tokens'
        """
        return f"{self.path}.{field}" if self.path else field

    def value(self, *fields: str) -> object:
        """Return the first of these fields that is stated, else None."""
        for field in fields:
            value = self.said.get(field)
            if value is not None:
                return value
        return None

    def states(self, *fields: str) -> bool:
        """Tell whether one of these fields is stated, be it 0."""
        return self.value(*fields) is not None

    def count(self, *fields: str) -> int:
        """Return the first of these counts that is stated, else 0.

        >>> Part({"a": None, "b": 3.0}, "").count("a", "b")
        3

        Raises:
            Faulty: it is no whole number from 0 to a million millions.
        """
        for field in fields:
            value = self.said.get(field)
            if value is not None:
                return _whole(value, self.name(field))
        return 0

    def seconds(self, *fields: str) -> Decimal:
        """Return the first of these lengths that is stated, to the microsecond, or 0.

        Providers give lengths as numbers and as text.

        Raises:
            Faulty: it is no number, or below 0.
        """
        for field in fields:
            value = self.said.get(field)
            if value is not None:
                return _length(value, self.name(field))
        return Decimal(0)

    def part(self, *fields: str) -> Part:
        """Return the first of these objects that is stated, else an empty one.

        Raises:
            Faulty: it is not an object.
        """
        for field in fields:
            value = self.said.get(field)
            if value is not None:
                return Part(_object(value, self.name(field)), self.name(field))
        return Part(None, self.name(fields[0]))

    def parts(self, *fields: str) -> Sequence[Part]:
        """Return the objects of the first of these lists that is stated.

        Raises:
            Faulty: it is no list, or has something else than objects in it.
        """
        for field in fields:
            value = self.said.get(field)
            if value is not None:
                return list(_objects(value, self.name(field)))
        return []


def as_json(body: object) -> object:
    """Return a body as JSON has it: text and bytes parsed, objects by their fields.

    >>> as_json(b'{"usage": null}')
    {'usage': None}

    Raises:
        Faulty: it is text that is not JSON.
    """
    if isinstance(body, (str, bytes, bytearray)):
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise Faulty("body", "is not JSON") from None
    return _plain(body, 0)


def without_texts(value: object, depth: int = 0) -> object:
    """Return what a usage part says, without anything that could be a prompt.

    >>> without_texts({"input_tokens": -1, "note": "x" * 65})
    {'input_tokens': -1, 'note': '…'}
    """
    if depth > _MAX_DEPTH or (isinstance(value, str) and len(value) > _MAX_TEXT):
        return "…"
    if isinstance(value, (int, float)) and not abs(value) < _MAX_NUMBER:
        return "…"
    if isinstance(value, Mapping):
        return {
            str(k)[:_MAX_TEXT]: without_texts(v, depth + 1) for k, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [without_texts(item, depth + 1) for item in value]
    return value


def _plain(value: object, depth: int) -> object:
    """Turn typed objects into dictionaries, as deep as usage ever stands."""
    if value is None or type(value) in _SCALARS:  # most of what there is
        return value
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (str, int, float, Decimal)):
        return value
    if isinstance(value, (list, tuple)):
        return _plain_list(value, depth)
    return {str(k): _plain(v, depth + 1) for k, v in _fields(value).items()}


def _plain_list(value: Sequence[object], depth: int) -> object:
    if len(value) > _MAX_LISTED:  # vectors and the like: never usage
        return value
    return [_plain(item, depth + 1) for item in value]


def _fields(value: object) -> Mapping[Any, object]:
    if isinstance(value, (dict, Mapping)):  # the first is much quicker to tell
        return value
    for way in ("model_dump", "to_dict", "dict"):
        dump = getattr(value, way, None)
        if callable(dump) and not isinstance(value, type):
            return _dumped(dump)
    fields = getattr(value, "__dict__", {})
    return {name: v for name, v in fields.items() if not name.startswith("_")}


def _dumped(dump: Callable[[], object]) -> Mapping[Any, object]:
    try:
        fields = dump()
    except Exception:
        raise Faulty("body", "cannot be turned into JSON") from None
    return fields if isinstance(fields, Mapping) else {}


def _object(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, (dict, Mapping)):
        raise Faulty(name, f"is {_kind(value)}, not an object")
    return value


def _objects(value: object, name: str) -> Iterator[Part]:
    if not isinstance(value, (list, tuple)):
        raise Faulty(name, f"is {_kind(value)}, not a list")
    for at, item in enumerate(value):
        place = f"{name}[{at}]"
        yield Part(_object(item, place), place)


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Faulty(name, f"is {_kind(value)}, not a number")
    if isinstance(value, float) and not value.is_integer():
        raise Faulty(name, f"is {value!r}, not a whole number")
    if value < 0:
        raise Faulty(name, f"is {_shown(value)}, below 0")
    if value > MAX_COUNT:
        raise Faulty(name, "is larger than any count can be")
    return int(value)


def _length(value: object, name: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        raise Faulty(name, f"is {_kind(value)}, not a length in seconds")
    try:
        seconds = Decimal(str(value)[:_MAX_TEXT])
    except InvalidOperation:
        raise Faulty(name, "is not a length in seconds") from None
    if not (seconds.is_finite() and 0 <= seconds <= MAX_COUNT):
        raise Faulty(name, "is not a length in seconds from 0")
    return seconds.quantize(_MICROSECOND)


def _shown(value: float) -> str:
    shown = repr(value) if abs(value) <= MAX_COUNT else "a huge number"
    return shown[:_MAX_SHOWN]


def _kind(value: object) -> str:
    kinds = {bool: "true or false", str: "text", list: "a list", dict: "an object"}
    known = kinds.get(type(value))
    if known is None:
        known = "a number" if isinstance(value, (int, float)) else type(value).__name__
    return known
