"""What is raised once when something about spend wants a person's attention.

Every alert has an `alert_id` that is derived from what the alert is about: a
subscriber that keeps the ids it has seen acts once, whatever its own deliveries do.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal, cast
from urllib.parse import quote
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Tag,
    TypeAdapter,
)

from taximeter_schemas.budgets import Period, TimeZone, Unit
from taximeter_schemas.fields import Count, Event, Moment, Name, Usd
from taximeter_schemas.ids import derived_id
from taximeter_schemas.spend import subject_key
from taximeter_schemas.subjects import Subject, SubjectKind

__all__ = [
    "Alert",
    "BudgetForecastExceeded",
    "BudgetThresholdCrossed",
    "DigestDue",
    "PriceMissing",
    "Share",
    "SpendAnomalyDetected",
    "SpendRecovered",
    "alert_adapter",
    "alert_key",
    "anomaly_id",
    "digest_id",
    "forecast_id",
    "missing_price_id",
    "page_of",
    "recovery_id",
]


class Share(BaseModel):
    """What one model or user cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    spent_usd: Usd


class BudgetThresholdCrossed(Event):
    """A budget's spend reached one of its thresholds, for the first time.

    `alert_id` is derived from the budget, the subject, the period, the threshold
    and the limit: a subscriber that keeps the ids it has seen acts once, whatever
    its own deliveries do. One of the limits is given. `late` says that the period was
    over when the call that crossed it became known. `link` is a page about the budget.
    `top_models` and `top_users` are the three dearest ones of the subject in the
    period; a worker does not know them, and `taximeter notify` adds them to what it
    delivers, if the ledger answers in time (ADR 13).
    """

    event_type: Literal["BudgetThresholdCrossed"] = "BudgetThresholdCrossed"
    schema_version: Literal[1, 2] = 2
    alert_id: UUID
    raised_at: Moment
    budget_id: Name
    subject_kind: SubjectKind
    subject_id: str
    period: Period
    period_start: AwareDatetime | None
    period_end: AwareDatetime | None
    threshold_percent: int
    limit_usd: Usd | None = None
    limit_tokens: int | None = None
    limit_calls: int | None = None
    spent_usd: Usd
    tokens: int | None = None
    calls: int | None = None
    late: bool = False
    link: str | None = None
    top_models: tuple[Share, ...] | None = None
    top_users: tuple[Share, ...] | None = None


class BudgetForecastExceeded(Event):
    """A budget is expected to be over its limit before its period ends.

    Raised once for a budget, subject, period and limit, before the limit is reached.
    Amounts are in the `unit` of the limit. The end is expected to be `projected`, and
    between `projected_low` and `projected_high` four times out of five.
    """

    event_type: Literal["BudgetForecastExceeded"]
    schema_version: Literal[1] = 1
    alert_id: UUID
    raised_at: Moment
    budget_id: Name
    subject_kind: SubjectKind
    subject_id: str
    period: Period
    period_start: AwareDatetime
    period_end: AwareDatetime
    unit: Unit
    limit: Usd
    spent: Usd
    projected: Usd
    projected_low: Usd
    projected_high: Usd
    crosses_at: Moment | None = None


class SpendAnomalyDetected(Event):
    """A subject spent far more in an hour than it usually does at that hour.

    Raised once for a subject and hour. `usual_usd` is the median of the same hour of
    the week in its history, and `threshold_usd` what had to be passed.
    """

    event_type: Literal["SpendAnomalyDetected"]
    schema_version: Literal[1] = 1
    alert_id: UUID
    raised_at: Moment
    subject_kind: SubjectKind
    subject_id: str
    hour_start: Moment
    spent_usd: Usd
    usual_usd: Usd
    threshold_usd: Usd


class SpendRecovered(Event):
    """What an alert told of is over; raised once for that alert, `recovers`.

    `back_to_usual`: a full hour after an anomaly had a usual amount; of a run of
    anomalous hours the last one recovers. `below_limit`: corrections or re-pricings
    have brought a budget that was exceeded below its limit again; it is named.
    """

    event_type: Literal["SpendRecovered"]
    schema_version: Literal[1] = 1
    alert_id: UUID
    raised_at: Moment
    recovers: UUID
    reason: Literal["back_to_usual", "below_limit"]
    subject_kind: SubjectKind
    subject_id: str
    hour_start: Moment | None = None
    budget_id: Name | None = None
    period: Period | None = None
    period_start: AwareDatetime | None = None
    period_end: AwareDatetime | None = None
    spent_usd: Usd


class PriceMissing(Event):
    """Calls of a model have no known price; raised once for a model and a UTC day.

    `unpriced_calls` is how many of that day were known then. What they cost is in no
    sum until a price is given and they are re-priced.
    """

    event_type: Literal["PriceMissing"]
    schema_version: Literal[1] = 1
    alert_id: UUID
    raised_at: Moment
    model: Name
    day: date
    unpriced_calls: Count


class DigestDue(Event):
    """A day or a week is over, and this is what everybody spent in it.

    Raised once for a kind of digest and its period, a while after its end; what comes
    later is in no digest.
    """

    event_type: Literal["DigestDue"]
    schema_version: Literal[1] = 1
    alert_id: UUID
    raised_at: Moment
    period: Literal["day", "week"]
    time_zone: TimeZone
    period_start: Moment
    period_end: Moment
    spent_usd: Usd
    calls: Count
    unpriced_calls: Count


Alert = (
    BudgetThresholdCrossed
    | BudgetForecastExceeded
    | SpendAnomalyDetected
    | SpendRecovered
    | PriceMissing
    | DigestDue
)


def _kind(found: object) -> str:
    """Return an alert's kind: the first one that there was may leave it out."""
    if isinstance(found, dict):
        fields = cast("dict[str, object]", found)
        return str(fields.get("event_type", BudgetThresholdCrossed.__name__))
    return type(found).__name__


alert_adapter: Final[TypeAdapter[Alert]] = TypeAdapter(
    Annotated[
        Annotated[BudgetThresholdCrossed, Tag("BudgetThresholdCrossed")]
        | Annotated[BudgetForecastExceeded, Tag("BudgetForecastExceeded")]
        | Annotated[SpendAnomalyDetected, Tag("SpendAnomalyDetected")]
        | Annotated[SpendRecovered, Tag("SpendRecovered")]
        | Annotated[PriceMissing, Tag("PriceMissing")]
        | Annotated[DigestDue, Tag("DigestDue")],
        Discriminator(_kind),
    ]
)


def page_of(link: str | None, budget_id: str) -> str | None:
    """Return the page about a budget; None if there is none.

    Args:
        link: a page, in which `{budget}` stands for the budget's id.
        budget_id: empty of what is about no budget.

    >>> page_of("https://x.example/?b={budget}", "a/b")
    'https://x.example/?b=a%2Fb'
    >>> page_of("https://x.example/?b={budget}", ""), page_of(None, "a")
    (None, None)
    """
    if link is None or ("{budget}" in link and not budget_id):
        return None
    return link.replace("{budget}", quote(budget_id, safe=""))


def alert_key(alert: Alert) -> bytes:
    """Return the record key: alerts with the same one stand in their order.

    It is the budget's id, or else the subject's key; `digest` for digests.
    """
    match alert:
        case DigestDue():
            return b"digest"
        case PriceMissing():
            return subject_key(Subject("model", alert.model))
        case BudgetThresholdCrossed() | BudgetForecastExceeded():
            return alert.budget_id.encode()
        case _:
            if isinstance(alert, SpendRecovered) and alert.budget_id:
                return alert.budget_id.encode()
            return subject_key(Subject(alert.subject_kind, alert.subject_id))


def forecast_id(
    budget_id: str, subject: Subject, start: datetime, limit: Decimal, unit: Unit
) -> UUID:
    """Return the id of the one forecast that a limit may raise in a period."""
    at, name = start.astimezone(UTC).isoformat(), f"{limit.normalize()} {unit}"
    return derived_id("forecast", budget_id, *subject, at, name)


def anomaly_id(subject: Subject, hour: datetime) -> UUID:
    """Return the id of the one alert that an hour of a subject may raise."""
    return derived_id("anomaly", *subject, hour.astimezone(UTC).isoformat())


def recovery_id(recovers: UUID) -> UUID:
    """Return the id of the one alert that says that another one is over."""
    return derived_id("recovered", str(recovers))


def missing_price_id(model: str, day: date) -> UUID:
    """Return the id of the one alert about a model without a price on a day."""
    return derived_id("price-missing", model, day.isoformat())


def digest_id(period: str, start: datetime) -> UUID:
    """Return the id of the one digest of a period."""
    return derived_id("digest", period, start.astimezone(UTC).isoformat())
