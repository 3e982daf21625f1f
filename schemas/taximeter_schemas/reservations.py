"""Asking before a call whether there is room for it, and what was answered.

A request goes to the partition of `spend` that owns the budget's subject, among the
partial sums that arrive there, so that one order decides what was known when. The
answer stands in the same partition of `reservation-answers`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from taximeter_schemas.fields import Event, Moment, Name, Usd
from taximeter_schemas.subjects import Subject, SubjectKind

__all__ = [
    "DEFAULT_EXPIRY_SECONDS",
    "LONGEST_EXPIRY_SECONDS",
    "Expiry",
    "Outcome",
    "ReservationAnswered",
    "ReservationEvent",
    "ReservationReleased",
    "ReservationRequested",
    "reservation_event_adapter",
]

DEFAULT_EXPIRY_SECONDS: Final = 600
LONGEST_EXPIRY_SECONDS: Final = 24 * 3600

Outcome = Literal["granted", "denied", "unknown"]
"""There was room; there was not; the worker knows no such budget in USD."""

Expiry = Annotated[int, Field(strict=True, gt=0, le=LONGEST_EXPIRY_SECONDS)]
"""For how many seconds something is reserved."""

_Estimate = Annotated[Usd, Field(ge=0)]


class ReservationRequested(Event):
    """Somebody is about to make a call, and asks for room for it in one budget.

    A call that several budgets are about has one such event for each, all with the
    same `reservation_id`; together they are granted or not. `estimate_usd` is what the
    call costs at most. `expires_after_seconds` is how long that much is kept for it.
    """

    event_type: Literal["ReservationRequested"]
    schema_version: Literal[1] = 1
    reservation_id: UUID
    budget_id: Name
    subject_kind: SubjectKind
    subject_id: str
    estimate_usd: _Estimate
    expires_after_seconds: Expiry = DEFAULT_EXPIRY_SECONDS
    occurred_at: Moment
    requested_by: Name | None = None

    @property
    def subject(self) -> Subject:
        """Whose spend the budget counts."""
        return Subject(self.subject_kind, self.subject_id)


class ReservationReleased(Event):
    """What was reserved is not needed: the call failed, or was not made."""

    event_type: Literal["ReservationReleased"]
    schema_version: Literal[1] = 1
    reservation_id: UUID
    released_at: Moment


class ReservationAnswered(Event):
    """What the owner of a budget's subject answered; the first answer is the answer.

    `spent_usd` and `reserved_usd` stand against `limit_usd` in the current period,
    this reservation included if it was granted; all are 0 where the outcome is
    `unknown`. A granted one is kept until `expires_at`.
    """

    event_type: Literal["ReservationAnswered"] = "ReservationAnswered"
    schema_version: Literal[1] = 1
    reservation_id: UUID
    budget_id: Name
    subject_kind: SubjectKind
    subject_id: str
    outcome: Outcome
    estimate_usd: _Estimate
    spent_usd: Usd
    reserved_usd: Usd
    limit_usd: Usd
    answered_at: Moment
    expires_at: Moment | None = None


ReservationEvent = ReservationRequested | ReservationReleased

reservation_event_adapter: Final[TypeAdapter[ReservationEvent]] = TypeAdapter(
    Annotated[
        ReservationRequested | ReservationReleased, Field(discriminator="event_type")
    ]
)
