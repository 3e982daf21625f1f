"""Corrected events, as somebody gives them in place of what dead letters hold.

Pure: text in, events by their dead letter out. Whether they are valid is not asked
here; a file that is not in the format is refused before anything has been sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import BinaryIO, Final, cast

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from pydantic_core import from_json

from taximeter.ndjson import MAX_LINE_BYTES, lines_of
from taximeter_schemas.dead_letters import DeadLetterId
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.ids import derived_id
from taximeter_schemas.records import explained

__all__ = ["Fixes", "one_fix", "read_fixes"]

Fixes = Mapping[str, Sequence[object]]
"""For each dead letter the events, as JSON has them, that take its place."""

_FORMAT: Final = 'a line is {"dead_letter_id": "…", "event": {…}}'


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dead_letter_id: DeadLetterId
    event: JsonValue


def read_fixes(file: BinaryIO, name: str) -> Fixes:
    r"""Read a file of corrected events, one a line.

    Several lines for one dead letter are several events that it stands for.

    >>> from io import BytesIO
    >>> read_fixes(BytesIO(b'{"dead_letter_id": "usage:0:7", "event": 1}\n'), "-")
    {'usage:0:7': [1]}

    Raises:
        ConfigurationError: a line is not in the format; names it and says why.
    """
    fixes: dict[str, list[object]] = {}
    for number, text in lines_of(file):
        line = _line(text, f"{name}, line {number}")
        fixes.setdefault(line.dead_letter_id, []).append(line.event)
    return {key: _flat(key, events) for key, events in fixes.items()}


def one_fix(key: str, text: bytes) -> Fixes:
    """Read the corrected event of one dead letter, or an array of its events.

    Raises:
        ConfigurationError: the text is not JSON.
    """
    try:
        event = from_json(text)
    except ValueError as error:
        raise ConfigurationError(f"--event is not JSON: {error}") from None
    return {key: _flat(key, [event])}


def _line(text: bytes | None, where: str) -> _Line:
    if text is None:
        raise ConfigurationError(f"{where}: over {MAX_LINE_BYTES} bytes")
    try:
        return _Line.model_validate_json(text)
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {explained(error)}; {_FORMAT}") from None


def _flat(key: str, given: Sequence[object]) -> list[object]:
    events: list[object] = []
    for one in given:
        events += cast("list[object]", one) if isinstance(one, list) else [one]
    return [_with_id(key, at, event) for at, event in enumerate(events)]


def _with_id(key: str, at: int, event: object) -> object:
    """Give an event without an id the one that stands for its dead letter.

    Where the id is what was wrong, nobody knows a better one, and a random one would
    count the event again with each retry.
    """
    if not isinstance(event, dict) or event.get("event_id") is not None:
        return event
    return event | {"event_id": str(derived_id("dead-letter", key, str(at)))}
