"""CloudEvents 1.0 with usage events in them: which attribute stands for which field.

`type` is `taximeter.` and the kind of event; `source` and `time` are `source` and
`occurred_at`, `id` is `event_id` (itself, if it is a UUID, else derived from it and
`source`), each unless the data says it.

Pure: what is no CloudEvent becomes a fault in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from taximeter.api.intake import only, read_each
from taximeter_processors.calls import Reading, Readings
from taximeter_schemas.ids import derived_id
from taximeter_schemas.records import Fault, explained

__all__ = ["BATCHED", "STRUCTURED", "read_batch", "read_binary", "read_structured"]

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"

_Text = Annotated[str, Field(min_length=1, max_length=1024)]
_HEADER: Final = "ce-"
_TYPES: Final = "taximeter."


class CloudEvent(BaseModel):
    """The attributes that mean something here; others are let through and unread."""

    model_config = ConfigDict(frozen=True)

    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    type: Literal[
        "taximeter.UsageRecorded",
        "taximeter.UsageCorrected",
        "taximeter.UsageNotUnderstood",
    ]
    time: AwareDatetime | None = None
    datacontenttype: Annotated[
        str, Field(pattern=r"^(application|text)/([\w.+-]+\+)?json *(;.*)?$")
    ] = "application/json"
    data: dict[str, Any]

    def fields(self) -> dict[str, Any]:
        """Return the usage event, as JSON has it."""
        said: dict[str, Any] = {"event_id": str(self._event_id())}
        if self.time is not None:
            said["occurred_at"] = self.time.isoformat()
        kind = self.type.removeprefix(_TYPES)
        return {"source": self.source, **said, **self.data, "event_type": kind}

    def _event_id(self) -> UUID:
        try:
            return UUID(self.id)
        except ValueError:
            return derived_id("cloudevents", self.source, self.id)


def read_structured(body: bytes, now: datetime) -> Readings:
    """Read one CloudEvent as JSON."""
    parsed = _parsed(body)
    return only(parsed) if isinstance(parsed, Fault) else _read([parsed], now)


def read_batch(body: bytes, now: datetime) -> Readings:
    """Read an array of CloudEvents."""
    parsed = _parsed(body)
    if isinstance(parsed, Fault):
        return only(parsed)
    if not isinstance(parsed, list):
        return only(Fault("not_an_event", "a batch is a JSON array", body))
    return _read(parsed, now)


def read_binary(headers: Mapping[str, str], body: bytes, now: datetime) -> Readings:
    """Read a CloudEvent whose attributes are headers and whose body is its data."""
    data = _parsed(body)
    if isinstance(data, Fault):
        return only(data)
    said = {
        name[len(_HEADER) :].lower(): unquote(value)
        for name, value in headers.items()
        if name.lower().startswith(_HEADER)
    }
    return _read([{**said, "data": data}], now)


def _read(items: list[Any], now: datetime) -> Readings:
    """Read the events in CloudEvents, at once; what is none stays in its place."""
    found = [_unwrapped(item) for item in items]
    events = [one for one in found if isinstance(one, bytes)]
    inner = read_each(events, now)
    pairs = iter(zip(inner.events, inner.encoded, strict=True))
    placed: list[tuple[Reading, bytes]] = [
        (one, b"") if isinstance(one, Fault) else next(pairs) for one in found
    ]
    return Readings(
        [one for one, _ in placed], [text for _, text in placed], plain=False
    )


def _unwrapped(item: object) -> bytes | Fault:
    try:
        fields = CloudEvent.model_validate(item).fields()
        return json.dumps(fields, allow_nan=False).encode()
    except ValidationError as error:
        return Fault("invalid_event", f"CloudEvent: {explained(error)}", b"")
    except (ValueError, RecursionError) as error:
        return Fault("not_json", f"CloudEvent: {error}", b"")


def _parsed(body: bytes) -> Any:  # noqa: ANN401 - whatever stands in JSON
    try:
        return json.loads(body)
    except RecursionError:
        return Fault("not_json", "nested too deeply", body)
    except ValueError as error:
        return Fault("not_json", str(error), body)
