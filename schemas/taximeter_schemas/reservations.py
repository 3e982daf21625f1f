"""Asking before a call whether there is room for it, and what was answered.

A request goes to the partition of `spend` that owns the budget's subject, among the
partial sums that arrive there, so that one order decides what was known when. The
answer stands in the same partition of `reservation-answers`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal, NamedTuple
from uuid import UUID

from pydantic import Field, TypeAdapter

from taximeter_schemas.budgets import Unit
from taximeter_schemas.fields import Count, Event, Moment, Name, Usd
from taximeter_schemas.subjects import Subject, SubjectKind

__all__ = [
    "DEFAULT_EXPIRY_SECONDS",
    "LONGEST_EXPIRY_SECONDS",
    "Amounts",
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
"""There was room; there was not; the worker knows no such budget with a limit."""

Expiry = Annotated[int, Field(strict=True, gt=0, le=LONGEST_EXPIRY_SECONDS)]
"""For how many seconds something is reserved."""

_Estimate = Annotated[Usd, Field(ge=0)]


class Amounts(NamedTuple):
    """What an answer is about, in the unit of the budget's limit."""

    estimate: Decimal
    spent: Decimal
    reserved: Decimal
    limit: Decimal


class ReservationRequested(Event):
    """Somebody is about to make a call, and asks for room for it in one budget.

    A call that several budgets are about has one such event for each, all with the
    same `reservation_id`; together they are granted or not. The estimates are what the
    call costs, and how many tokens it uses, at most: the one in the unit of the
    budget's limit counts, and of a limit in calls it is one call. Without it nothing is
    held, and it is granted while anything is left. `expires_after_seconds` is how long
    that much is kept for it.
    """

    event_type: Literal["ReservationRequested"]
    schema_version: Literal[1] = 1
    reservation_id: UUID
    budget_id: Name
    subject_kind: SubjectKind
    subject_id: str
    estimate_usd: _Estimate | None = None
    estimate_tokens: Count | None = None
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

    What is spent and reserved stands against the limit in the current period, this
    reservation included if it was granted; all are 0 where the outcome is `unknown`.
    Amounts have the name that ends in `_usd`; where `unit` is another one, they are
    whole numbers of it under the plain names. A granted one is kept until `expires_at`.
    """

    event_type: Literal["ReservationAnswered"] = "ReservationAnswered"
    schema_version: Literal[1] = 1
    reservation_id: UUID
    budget_id: Name
    subject_kind: SubjectKind
    subject_id: str
    outcome: Outcome
    unit: Unit = "usd"
    estimate_usd: _Estimate = Decimal(0)
    spent_usd: Usd = Decimal(0)
    reserved_usd: Usd = Decimal(0)
    limit_usd: Usd = Decimal(0)
    estimate: Count = 0
    spent: Count = 0
    reserved: Count = 0
    limit: Count = 0
    answered_at: Moment
    expires_at: Moment | None = None

    @property
    def amounts(self) -> Amounts:
        """The amounts, in `unit`."""
        if self.unit == "usd":
            usd = self.estimate_usd, self.spent_usd, self.reserved_usd, self.limit_usd
            return Amounts(*usd)
        whole = self.estimate, self.spent, self.reserved, self.limit
        return Amounts(*map(Decimal, whole))


ReservationEvent = ReservationRequested | ReservationReleased

reservation_event_adapter: Final[TypeAdapter[ReservationEvent]] = TypeAdapter(
    Annotated[
        ReservationRequested | ReservationReleased, Field(discriminator="event_type")
    ]
)
