"""Makes the events of a batch from its results: each line is a call of its own. Pure.

Results can be fetched again and again: an event's id is that of the answer in its line,
so they are counted once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from taximeter_producers.provider_usage import reading_from_response
from taximeter_producers.usage_shapes.recognise import recognised
from taximeter_producers.wrapping.failures import error_of_status
from taximeter_producers.wrapping.recorded import (
    Call,
    of_failure,
    of_reading,
    of_unread,
)
from taximeter_producers.wrapping.routes import Route, operation_of, shape_for
from taximeter_schemas.errors import UnknownShape, UsageUnreadable
from taximeter_schemas.usage import EmittedEvent

__all__ = ["begins_results", "of_results"]

Row = Mapping[str, Any]

_MARK: Final = b'"custom_id"'
_FIRST_ERROR: Final = 400
_KEPT_FOR: Final = timedelta(days=31)


def begins_results(content: bytes) -> bool:
    r"""Tell whether a file may be the results of a batch, by how it begins.

    >>> begins_results(b'{"custom_id": "a"}\n'), begins_results(b"GIF89a")
    (True, False)
    """
    return content[:64].lstrip().startswith(b"{")


def of_results(call: Call, content: bytes) -> Iterator[EmittedEvent]:
    """Yield the events of all results; a file of anything else has none.

    Args:
        call: what is known of the request that fetched them. Its `request_id` is the
            batch's own, where the path names it.
        content: the results, a line each. One that was cut in its middle is left out.
    """
    for line in content.splitlines():
        row = _row(line) if _MARK in line else None
        if row is not None:
            yield from _of_row(call, row)


def _row(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "custom_id" in row else None


def _of_row(call: Call, row: Row) -> list[EmittedEvent]:
    answered, result = _part(row, "response"), _part(row, "result")
    if not answered and not result and not row.get("error"):
        return []  # a line of what was asked
    answer = _part(answered, "body") or _part(result, "message")
    named = answered.get("request_id") or row.get("id")
    one = replace(
        call,
        service_tier="batch",
        request_id=str(named or f"{call.request_id}/{row['custom_id']}"),
        occurred_at=_moment(answer, call.occurred_at),
        duration_ms=None,
    )
    error = _error(row, answered, result, answer)
    if error is not None:
        return of_failure(replace(one, error_type=error))
    return _of_answer(one, row, answer)


def _of_answer(call: Call, row: Row, answer: Row) -> list[EmittedEvent]:
    try:
        api = recognised(answer).partition(".")[2]
    except UnknownShape:
        api = "chat_completions"
    route = Route(operation_of(api), api, call.route.vendor)
    one = replace(call, route=route)
    try:
        reading = reading_from_response(row, shape_for(call.provider, route))
    except UsageUnreadable as error:
        return [of_unread(one, error, answer)]
    return of_reading(one, reading, answer)


def _error(row: Row, answered: Row, result: Row, answer: Row) -> str | None:
    said = _part(answer, "error") or _part(row, "error")
    within = _part(_part(result, "error"), "error") or _part(result, "error")
    named = (within or said).get("type") or (within or said).get("code")
    ended = result.get("type", "succeeded")
    status = answered.get("status_code")
    failed = isinstance(status, int) and status >= _FIRST_ERROR
    if not failed and ended == "succeeded" and not said:
        return None
    if named:
        return str(named)
    return error_of_status(status) if isinstance(status, int) and failed else str(ended)


def _moment(answer: Row, fetched: datetime) -> datetime:
    """Return when an answer was made, where it says that, and it can be."""
    made = answer.get("created") or answer.get("created_at")
    if not isinstance(made, int | float) or made <= 0:
        return fetched
    age = timedelta(seconds=fetched.timestamp() - made)
    known = timedelta(0) <= age <= _KEPT_FOR
    return datetime.fromtimestamp(made, UTC) if known else fetched


def _part(whole: Row, name: str) -> Row:
    value = whole.get(name)
    return value if isinstance(value, Mapping) else {}
