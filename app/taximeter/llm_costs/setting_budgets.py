"""From what somebody says of a budget to its definition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pydantic import ValidationError

from taximeter.llm_costs.config import CostsConfig
from taximeter.llm_costs.for_whom import PLAIN_TAG
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_budgets import budget_name
from taximeter.llm_costs.kept_thresholds import usual_thresholds
from taximeter.llm_costs.logged_events import sold_as
from taximeter_schemas.budgets import BudgetDefined, Period
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.records import explained
from taximeter_schemas.subjects import Scope

__all__ = ["Wanted", "defined", "percents"]

_HUNDRED: Final = 100


@dataclass(frozen=True)
class Wanted:
    """How much may be spent over what, by which calls, and what happens then."""

    limit_usd: Decimal
    period: Period = "month"
    project: str | None = None
    model: str | None = None
    tag: str | None = None
    hard_limit: bool = False
    fallback: str | None = None
    alert_at: Sequence[str] = ()


def defined(
    home: Home, config: CostsConfig, wanted: Wanted, now: datetime
) -> BudgetDefined:
    """Return the budget that is meant.

    Raises:
        ConfigurationError: something about it cannot be.
    """
    if wanted.hard_limit and wanted.fallback:
        raise ConfigurationError("a budget stops calls or falls back: give one of both")
    scope = _scope(wanted)
    action = "block" if wanted.hard_limit else "warn"
    try:
        return BudgetDefined(
            budget_id=budget_name(wanted.period, scope),
            scope=scope,
            period=wanted.period,
            time_zone=config.zone,
            limit_usd=wanted.limit_usd,
            thresholds_percent=percents(wanted.alert_at) or usual_thresholds(home),
            on_exceeded="fallback" if wanted.fallback else action,
            fallback_model=wanted.fallback,
            defined_at=now,
            defined_by=home.owner(),
        )
    except ValidationError as error:
        raise ConfigurationError(explained(error)) from None


def percents(shares: Iterable[Any]) -> tuple[int, ...]:
    """Return shares of a budget as whole percents, in ascending order.

    Raises:
        ConfigurationError: one is no share.

    >>> percents(["0.9", 0.75, "1.0"]), percents(["80%"])
    ((75, 90, 100), (80,))
    """
    return tuple(sorted({_percent(share) for share in shares}))


def _percent(share: object) -> int:
    text = str(share).strip()
    try:
        number = Decimal(text.removesuffix("%"))
    except InvalidOperation:
        number = Decimal(-1)
    percent = number if text.endswith("%") else number * _HUNDRED
    if not percent.is_finite() or percent <= 0 or percent != int(percent):
        raise ConfigurationError(
            f"{text!r} is no share of a budget: write 0.8 or 80%, in whole percents"
        )
    return int(percent)


def _scope(wanted: Wanted) -> Scope:
    fields: dict[str, object] = {"project": wanted.project}
    if wanted.model is not None:
        provider, model = sold_as(wanted.model)
        # Only a prefix says whose it is; else the model is meant, whoever sells it.
        fields |= {"model": model}
        if "/" in wanted.model:
            fields["provider"] = provider
    if wanted.tag is not None:
        name, _, value = wanted.tag.partition("=")
        fields["tags"] = {name: value or PLAIN_TAG}
    return Scope.model_validate(fields)
