"""Which of several models a call goes to, and how long its answer may get, for a sum.

Which models are good enough for a task is the caller's to say: a list of them is a
tier. What is left to decide is the price.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Final

from taximeter.estimates import Asked, Estimate, Estimator
from taximeter_schemas.errors import ConfigurationError

__all__ = ["choose_model", "longest_answer", "within"]

_LONGEST: Final = 1_000_000

Usd = Decimal | float | str


def choose_model(
    tier: Sequence[str],
    *,
    within_usd: Usd | None = None,
    input_tokens: int | None = None,
    text: str | None = None,
    max_output_tokens: int = 0,
    prices: Estimator | None = None,
) -> Estimate:
    """Return the estimate of the model of a tier that such a call is cheapest with.

    Args:
        tier: models that are good enough, as events name them or "provider/model".
        within_usd: what the call may cost at most.
        input_tokens: how long the request is; or else `text`.
        text: what would be sent.
        max_output_tokens: how long the answer may get.
        prices: by which to estimate; without it by those of the installed list.

    Raises:
        ConfigurationError: none fits, no price is known, or the length is not given.
    """
    if not tier:
        raise ConfigurationError("name the models to choose from")
    asked = Asked(
        model=tier[0],
        input_tokens=input_tokens,
        text=text,
        max_output_tokens=max_output_tokens,
    )
    found = (prices or _installed()).compare(asked, tier[1:])
    return within(found, within_usd)[0]


def within(found: Sequence[Estimate], most_usd: Usd | None) -> list[Estimate]:
    """Return the estimates that cost at most so much, the cheapest first.

    Raises:
        ConfigurationError: there are none, or it is no amount.
    """
    cheapest_first = sorted(found, key=lambda one: one.cost_usd)
    if most_usd is None:
        return cheapest_first
    most = _usd(most_usd)
    fitting = [one for one in cheapest_first if one.cost_usd <= most]
    if not fitting:
        least = cheapest_first[0]
        raise ConfigurationError(
            f"none of them fits in {most:f} USD: {least.model} is the cheapest, "
            f"at {least.cost_usd:f}"
        )
    return fitting


def longest_answer(
    model: str,
    *,
    within_usd: Usd,
    input_tokens: int | None = None,
    text: str | None = None,
    prices: Estimator | None = None,
) -> int:
    """Return how many tokens an answer may have so that the call fits in a sum.

    Give it as the call's `max_tokens`. A million is the most that is said.

    Raises:
        ConfigurationError: the request alone costs more, or no price is known.
    """
    estimator, most = prices or _installed(), _usd(within_usd)
    asked = Asked(model=model, input_tokens=input_tokens, text=text)
    sent = estimator.estimate(asked)
    within([sent], most)
    known = {"text": None, "input_tokens": sent.input_tokens}
    fits, too_long = 0, _LONGEST + 1
    while too_long - fits > 1:
        half = (fits + too_long) // 2
        longer = asked.model_copy(update={**known, "max_output_tokens": half})
        if estimator.estimate(longer).cost_usd <= most:
            fits = half
        else:
            too_long = half
    return fits


def _usd(given: Usd) -> Decimal:
    try:
        amount = Decimal(str(given))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        raise ConfigurationError(f"{given!r} is no amount in US dollars")
    return amount


@cache
def _installed() -> Estimator:
    return Estimator.installed()
