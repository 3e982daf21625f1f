"""How much a subject may spend over what, and how it stands."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, model_validator

from taximeter_schemas.fields import Count, Event, Moment, Name, Usd
from taximeter_schemas.ids import derived_id
from taximeter_schemas.money import pico_from_usd, usd_from_pico
from taximeter_schemas.subjects import Scope, Subject, SubjectKind

__all__ = [
    "WINDOW_SECONDS",
    "BudgetDefined",
    "BudgetEvent",
    "BudgetRemoved",
    "BudgetState",
    "BudgetStatus",
    "Period",
    "PlanAssigned",
    "TimeZone",
    "Unit",
    "alert_id",
    "budget_event_adapter",
    "budget_key",
    "in_unit",
]

Period = Literal[
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "total",
    "fixed",
    "rolling_hour",
    "rolling_day",
    "rolling_week",
    "rolling_month",
    "rolling_quarter",
    "rolling_year",
]
"""A stretch of the calendar; all time; one that is given; the last so much time."""

BudgetState = Literal["within", "warning", "exceeded"]
Unit = Literal["usd", "tokens", "calls"]

WINDOW_SECONDS: Final = 15 * 60
"""The grain at which spend is kept: every zone's midnight is a multiple of it."""

_CALENDAR: Final = ("hour", "day", "week", "month", "quarter", "year")


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone") from error
    return name


def _ascending(percents: tuple[int, ...]) -> tuple[int, ...]:
    if not percents or list(percents) != sorted(set(percents)):
        raise ValueError("thresholds must be given once each, in ascending order")
    return percents


TimeZone = Annotated[Name, AfterValidator(_known_zone)]
Percent = Annotated[int, Field(strict=True, gt=0, le=10_000)]


class BudgetDefined(Event):
    """A budget was defined, or defined anew.

    It has one limit, or none: then it says how its subjects stand, and no more. A
    `fixed` period has its bounds here. `rollover` says what a period hands on to the
    next one: what was left of the limit, or what was spent above it.

    The last four fields are for whoever asks before a call: what is to happen when
    the limit is reached, and when nobody knows how the budget stands.
    """

    event_type: Literal["BudgetDefined"] = "BudgetDefined"
    schema_version: Literal[1, 2] = 2
    budget_id: Name
    scope: Scope = Scope()
    period: Period
    time_zone: TimeZone = "UTC"
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    limit_usd: Annotated[Usd, Field(ge=0)] | None = None
    limit_tokens: Count | None = None
    limit_calls: Count | None = None
    thresholds_percent: Annotated[tuple[Percent, ...], AfterValidator(_ascending)] = (
        50,
        80,
        90,
        100,
    )
    rollover: tuple[Literal["unused", "overspent"], ...] = ()
    alert_on_forecast: bool = False
    on_exceeded: Literal["block", "warn", "fallback"] = "block"
    fallback_model: Name | None = None
    when_unknown: Literal["fail_open", "fail_closed"] = "fail_open"
    defined_at: Moment
    defined_by: Name | None = None

    @property
    def unit(self) -> Unit:
        """What the limit is in; USD where there is none."""
        if self.limit_tokens is not None:
            return "tokens"
        return "usd" if self.limit_calls is None else "calls"

    @property
    def limit(self) -> Decimal | None:
        """The limit in its unit; None where there is none."""
        for limit in (self.limit_usd, self.limit_tokens, self.limit_calls):
            if limit is not None:
                return Decimal(limit)
        return None

    @property
    def whole_limit(self) -> int | None:
        """The limit in pico-dollars, tokens or calls; None where there is none."""
        if self.limit is None:
            return None
        return pico_from_usd(self.limit) if self.unit == "usd" else int(self.limit)

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        limits = (self.limit_usd, self.limit_tokens, self.limit_calls)
        if sum(limit is not None for limit in limits) > 1:
            raise ValueError(
                "a budget has one of limit_usd, limit_tokens and limit_calls"
            )
        return self

    @model_validator(mode="after")
    def _has_its_bounds(self) -> Self:
        start, end = self.starts_at, self.ends_at
        if self.period == "fixed":
            if start is None or end is None or start >= end:
                raise ValueError("a fixed period has starts_at and, later, ends_at")
            if any(at.timestamp() % WINDOW_SECONDS for at in (start, end)):
                raise ValueError("a fixed period starts and ends on a quarter hour")
        elif (start, end) != (None, None):
            raise ValueError("starts_at and ends_at are for a fixed period")
        if self.rollover and self.period not in _CALENDAR:
            raise ValueError(f"only these hand anything on: {', '.join(_CALENDAR)}")
        return self

    @model_validator(mode="after")
    def _names_its_fallback(self) -> Self:
        if (self.on_exceeded == "fallback") != (self.fallback_model is not None):
            raise ValueError("fallback_model and on_exceeded: fallback go together")
        return self


class PlanAssigned(Event):
    """A user is on a plan from now on, or on none; user `*` is all who are on none."""

    event_type: Literal["PlanAssigned"]
    schema_version: Literal[1] = 1
    user_id: Name
    plan: Name | None
    assigned_at: Moment
    assigned_by: Name | None = None


class BudgetRemoved(Event):
    """A budget is no longer kept."""

    event_type: Literal["BudgetRemoved"]
    schema_version: Literal[1] = 1
    budget_id: Name
    removed_at: Moment
    removed_by: Name | None = None


BudgetEvent = BudgetDefined | BudgetRemoved | PlanAssigned


def budget_key(event: BudgetEvent) -> bytes:
    """Return the key that an event has on the topic: the latest one of a key counts.

    >>> user = {"event_type": "PlanAssigned", "user_id": "alice", "plan": "pro"}
    >>> at = {"assigned_at": "2026-11-22T12:00:00Z"}
    >>> budget_key(PlanAssigned.model_validate(user | at))
    b'plan-of:alice'
    """
    if isinstance(event, PlanAssigned):
        return f"plan-of:{event.user_id}".encode()
    return event.budget_id.encode()


budget_event_adapter: Final[TypeAdapter[BudgetEvent]] = TypeAdapter(
    Annotated[
        BudgetDefined | BudgetRemoved | PlanAssigned,
        Field(union_mode="left_to_right"),
    ]
)


class BudgetStatus(Event):
    """How one subject stands in one period of a budget; the latest one counts.

    `period_start` and `period_end` bound a half-open stretch of event time; both
    are None for a budget over all time. The limit is this period's own, with what was
    handed on to it. What is reserved, in the limit's unit, is promised to calls that
    have not been charged yet.
    """

    event_type: Literal["BudgetStatus"] = "BudgetStatus"
    schema_version: Literal[1, 2] = 2
    budget_id: Name
    subject_kind: SubjectKind
    subject_id: str
    period: Period
    # No Moment: the earliest one lies in a week that began before it.
    period_start: AwareDatetime | None
    period_end: AwareDatetime | None
    limit_usd: Usd | None = None
    limit_tokens: int | None = None
    limit_calls: int | None = None
    spent_usd: Usd
    remaining_usd: Usd | None = None
    reserved_usd: Usd = Decimal(0)
    reserved_tokens: Count = 0
    reserved_calls: Count = 0
    state: BudgetState
    calls: Count
    unpriced_calls: Count
    tokens: Count = 0


def in_unit(whole: int, unit: Unit) -> Decimal:
    """Return pico-dollars, tokens or calls in the unit in which a limit is stated.

    >>> in_unit(1_500_000_000_000, "usd"), in_unit(7, "calls")
    (Decimal('1.500000000000'), Decimal('7'))
    """
    return usd_from_pico(whole) if unit == "usd" else Decimal(whole)


def alert_id(
    budget_id: str,
    subject: Subject,
    period_start: datetime | None,
    threshold_percent: int,
    limit: Decimal,
    unit: Unit = "usd",
) -> UUID:
    """Return the id of the one alert that this crossing may ever raise.

    The limit is the one that the budget defines: another one may raise it anew.
    """
    start = period_start.astimezone(UTC).isoformat() if period_start else "total"
    name = str(limit.normalize()) + ("" if unit == "usd" else f" {unit}")
    percent = str(threshold_percent)
    return derived_id("alert", budget_id, *subject, start, percent, name)
