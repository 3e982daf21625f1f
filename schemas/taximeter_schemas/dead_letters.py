"""Input that could not be used, kept with its reason and origin."""

from __future__ import annotations

from typing import Literal

from pydantic import Base64Bytes

from taximeter_schemas.fields import Count, Event, Moment, Name

__all__ = ["DeadLetter", "DeadLetterReason"]

DeadLetterReason = Literal[
    "not_json",
    "not_an_event",
    "invalid_event",
    "unknown_schema_version",
    "from_the_future",
]


class DeadLetter(Event):
    """One thing that could not be read, with the bytes themselves.

    `origin_position` is the place in a packed record, or None when the record as a
    whole could not be read. Topic, partition, offset and position are its identity:
    the same input read again makes the same dead letter.
    """

    event_type: Literal["DeadLetter"] = "DeadLetter"
    schema_version: Literal[1] = 1
    reason: DeadLetterReason
    detail: str
    origin_topic: Name
    origin_partition: Count
    origin_offset: Count
    origin_position: Count | None
    recorded_at: Moment
    payload: Base64Bytes

    @property
    def key(self) -> bytes:
        """Return the record key: the same for the same input, however often read."""
        position = "" if self.origin_position is None else f":{self.origin_position}"
        origin = f"{self.origin_topic}:{self.origin_partition}:{self.origin_offset}"
        return f"{origin}{position}".encode()
