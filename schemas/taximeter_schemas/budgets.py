"""How much a subject may spend over what, and how it stands."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal, NamedTuple, Self
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, model_validator

from taximeter_schemas.fields import Count, Event, Moment, Name, Usd
from taximeter_schemas.ids import derived_id

__all__ = [
    "EACH",
    "EVERYTHING",
    "BudgetDefined",
    "BudgetEvent",
    "BudgetRemoved",
    "BudgetState",
    "BudgetStatus",
    "Period",
    "Scope",
    "Subject",
    "SubjectKind",
    "TimeZone",
    "alert_id",
    "budget_event_adapter",
]

SubjectKind = Literal["all", "user", "model", "project"]
Period = Literal["hour", "day", "week", "month", "quarter", "year", "total"]
BudgetState = Literal["within", "warning", "exceeded"]

EACH: Final = "*"


class Subject(NamedTuple):
    """Whom spend is counted for."""

    kind: SubjectKind
    id: str


EVERYTHING: Final = Subject("all", "")


class Scope(Event):
    """Whom a budget is for: one subject, each of a kind, or (empty) everything.

    >>> Scope().covers(EVERYTHING)
    True
    >>> Scope(user="alice").covers(Subject("user", "alice"))
    True
    >>> Scope(user="*").covers(Subject("user", "bob"))
    True
    """

    user: Name | None = None
    model: Name | None = None
    project: Name | None = None

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if len(self.named()) > 1:
            raise ValueError(
                "a budget's scope names at most one of user, model, project"
            )
        return self

    def named(self) -> dict[SubjectKind, str]:
        """Return what the scope names: empty when it is for everything."""
        named: dict[SubjectKind, str | None] = {
            "user": self.user,
            "model": self.model,
            "project": self.project,
        }
        return {kind: name for kind, name in named.items() if name is not None}

    def covers(self, subject: Subject) -> bool:
        """Tell whether spend of this subject counts against the budget."""
        for kind, name in self.named().items():
            return subject.kind == kind and name in (EACH, subject.id)
        return subject == EVERYTHING


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
    """A budget was defined, or defined anew."""

    event_type: Literal["BudgetDefined"] = "BudgetDefined"
    schema_version: Literal[1] = 1
    budget_id: Name
    scope: Scope = Scope()
    period: Period
    time_zone: TimeZone = "UTC"
    limit_usd: Annotated[Usd, Field(ge=0)]
    thresholds_percent: Annotated[tuple[Percent, ...], AfterValidator(_ascending)] = (
        50,
        80,
        90,
        100,
    )
    defined_at: Moment


class BudgetRemoved(Event):
    """A budget is no longer kept."""

    event_type: Literal["BudgetRemoved"]
    schema_version: Literal[1] = 1
    budget_id: Name
    removed_at: Moment


BudgetEvent = BudgetDefined | BudgetRemoved

budget_event_adapter: Final[TypeAdapter[BudgetEvent]] = TypeAdapter(
    Annotated[BudgetDefined | BudgetRemoved, Field(union_mode="left_to_right")]
)


class BudgetStatus(Event):
    """How one subject stands in one period of a budget; the latest one counts.

    `period_start` and `period_end` bound a half-open stretch of event time; both
    are None for a budget over all time.
    """

    event_type: Literal["BudgetStatus"] = "BudgetStatus"
    schema_version: Literal[1] = 1
    budget_id: Name
    subject_kind: SubjectKind
    subject_id: str
    period: Period
    # No Moment: the earliest one lies in a week that began before it.
    period_start: AwareDatetime | None
    period_end: AwareDatetime | None
    limit_usd: Usd
    spent_usd: Usd
    remaining_usd: Usd
    state: BudgetState
    calls: Count
    unpriced_calls: Count


def alert_id(
    budget_id: str,
    subject: Subject,
    period_start: datetime | None,
    threshold_percent: int,
    limit_usd: Decimal,
) -> UUID:
    """Return the id of the one alert that this crossing may ever raise."""
    start = period_start.astimezone(UTC).isoformat() if period_start else "total"
    return derived_id(
        "alert",
        budget_id,
        *subject,
        start,
        str(threshold_percent),
        str(limit_usd.normalize()),
    )
