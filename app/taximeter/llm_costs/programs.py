"""The same for programs: what was spent, budgets, and estimates.

from taximeter.llm_costs import cost_of, estimate_prompt, get_costs, set_budget
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

from taximeter.estimates import Asked, Estimate
from taximeter.llm_costs.books import bring_up_to_date
from taximeter.llm_costs.config import read_config
from taximeter.llm_costs.estimating import estimator_of
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_budgets import keep
from taximeter.llm_costs.kept_prices import price_books
from taximeter.llm_costs.logged_events import event_of, sold_as
from taximeter.llm_costs.logs_db import LoggedCall
from taximeter.llm_costs.setting_budgets import Wanted, defined, percents
from taximeter.llm_costs.summing import Costs, costs_of
from taximeter.reports.stretches import Asked as AskedStretch
from taximeter.reports.stretches import first_days, stretch_of
from taximeter.tracker.calls import priced_call
from taximeter_schemas.budgets import BudgetDefined, Period
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.usage import UsageRecorded
from taximeter_sinks.dimensions import Only
from taximeter_sinks.queries import Ledger

__all__ = ["cost_of", "estimate_prompt", "get_costs", "set_budget"]


def get_costs(
    period: str = "all",
    *,
    project: str | None = None,
    model: str | None = None,
    home: Home | None = None,
) -> Costs:
    """Return what calls cost, as `total`, `calls`, `models` and more.

    Args:
        period: "today", "week", "month", "year", "all", or a month like "2026-11".
        project: only of its calls.
        model: only of its calls.
        home: whose; without it the tool's own directory.

    Raises:
        ConfigurationError: the period is none.
    """
    place, now = home or Home.of_tool(), SystemClock().now()
    config = read_config(place)
    stretch = stretch_of(_asked(period, config.zone), now)
    only: dict[str, Sequence[str]] = {}
    if project is not None:
        only["project"] = [project]
    if model is not None:
        only["model"] = [sold_as(model)[1]]
    bring_up_to_date(place, config, now)
    with closing(Ledger.open(place.ledger)) as ledger:
        chosen: Only = only
        return costs_of(ledger, stretch, now, chosen, place)


def _asked(period: str, zone: str) -> AskedStretch:
    today, monday, first = first_days(SystemClock().now(), zone)
    starts = {"today": today, "week": monday, "month": first}
    starts["year"] = today.replace(month=1, day=1)
    if period == "all":
        return AskedStretch(zone=zone)
    if period in starts:
        return AskedStretch(start=starts[period].isoformat(), zone=zone)
    return AskedStretch(month=period, zone=zone)


def set_budget(
    usd: Decimal | float | str,
    period: Period = "month",
    *,
    project: str | None = None,
    model: str | None = None,
    hard_limit: bool = False,
    fallback: str | None = None,
    alert_thresholds: Sequence[float | str] = (),
    home: Home | None = None,
) -> BudgetDefined:
    """Say how much may be spent; the same kind of budget before it is replaced.

    Raises:
        ConfigurationError: something about it cannot be.
    """
    place = home or Home.of_tool()
    try:
        limit = Decimal(str(usd))
    except ArithmeticError:
        raise ConfigurationError(f"{usd!r} is no amount in USD") from None
    shares = [f"{percent}%" for percent in percents(alert_thresholds)]
    wanted = Wanted(limit, period, project, model, None, hard_limit, fallback, shares)
    budget = defined(place, read_config(place), wanted, SystemClock().now())
    keep(place, [budget])
    return budget


def estimate_prompt(
    text: str,
    model: str,
    *,
    output_tokens: int | None = None,
    home: Home | None = None,
) -> Estimate:
    """Return what a prompt would cost; `cost_usd` is that of an answer of that length.

    Raises:
        ConfigurationError: no price is known for the model.
    """
    place, now = home or Home.of_tool(), SystemClock().now()
    provider, name = sold_as(model)
    usual = read_config(place).calls.answer_tokens
    asked = Asked(
        model=name,
        provider=None if provider == "unknown" else provider,
        text=text,
        max_output_tokens=usual if output_tokens is None else output_tokens,
    )
    return estimator_of(price_books(place).book_at(now)).estimate(asked)


def cost_of(response: Any, *, home: Home | None = None) -> Decimal | None:  # noqa: ANN401
    """Return what a response of the tool's has cost in USD; None has no known price.

    It is read to its end for that.
    """
    place, now = home or Home.of_tool(), SystemClock().now()
    answered = response.text()
    call = LoggedCall(
        "turns",
        0,
        str(response.id),
        str(response.model.model_id),
        now,
        input_tokens=response.input_tokens,
        output_tokens=response.output_tokens,
        token_details=response.token_details,
        answered_bytes=len(answered.encode(errors="replace")),
    )
    event = event_of(call)
    if not isinstance(event, UsageRecorded):
        return None
    return priced_call(event, price_books(place).book_at(now))[0]["cost_usd"]
