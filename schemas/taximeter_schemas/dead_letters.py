"""Input that could not be used, kept with its reason and origin, and what became of it.

The `dead-letters` topic carries both events: a `DeadLetter` when something could not be
read, and a `DeadLetterRetried` when it has been sent into `usage` after all. Neither
changes the other; whoever wants to know what is still open holds one against the other.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Base64Bytes, Field, TypeAdapter

from taximeter_schemas.fields import Count, Event, Moment, Name

__all__ = [
    "DeadLetter",
    "DeadLetterEvent",
    "DeadLetterId",
    "DeadLetterReason",
    "DeadLetterRetried",
    "dead_letter_event_adapter",
]

DeadLetterReason = Literal[
    "not_json",
    "not_an_event",
    "invalid_event",
    "unknown_schema_version",
    "from_the_future",
    "usage_not_understood",
    "delivery_failed",
]

DeadLetterId = Annotated[str, Field(min_length=1, max_length=512)]
"""A dead letter's record key as text: `topic:partition:offset[:position]`."""


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


class DeadLetterRetried(Event):
    """What a dead letter holds has been sent into `usage` after all.

    `dead_letter_id` is the dead letter's key. `event_ids` are the events that it
    became, and by which each of them counts once; `corrected` says that somebody had
    corrected them, so that they are not what the kept bytes say.
    """

    event_type: Literal["DeadLetterRetried"]
    schema_version: Literal[1] = 1
    dead_letter_id: DeadLetterId
    event_ids: tuple[UUID, ...]
    corrected: bool = False
    retried_at: Moment

    @property
    def key(self) -> bytes:
        """Return the record key: the dead letter's own."""
        return self.dead_letter_id.encode()


DeadLetterEvent = DeadLetter | DeadLetterRetried

dead_letter_event_adapter: Final[TypeAdapter[DeadLetterEvent]] = TypeAdapter(
    Annotated[DeadLetter | DeadLetterRetried, Field(union_mode="left_to_right")]
)
