"""What a call that is about to be made says of itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal, InvalidOperation

from taximeter_producers.attribution import current_attribution, label
from taximeter_producers.call_names import call_names, sold
from taximeter_schemas.budgets import Unit
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.money import PLACES, usd_from_pico

__all__ = ["Asked", "Money", "asked_for", "pico_estimated", "tokens_estimated"]

Money = Decimal | int | float | str

_CONTEXT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose call of which model it is, and what it is thought to cost.

    `named` has the name in each dimension that is known. An estimate of None is
    nobody's guess; one of 0 USD says that the call is free.
    """

    named: Mapping[str, str]
    model: str | None = None
    estimate_pico: int | None = None
    estimate_tokens: int | None = None

    @property
    def is_free(self) -> bool:
        """Whether the call is known to cost nothing."""
        return self.estimate_pico == 0

    def adds(self, unit: Unit) -> int:
        """Return what the call will add, in pico-dollars, tokens or calls."""
        if unit == "calls":
            return 1
        estimate = self.estimate_pico if unit == "usd" else self.estimate_tokens
        return estimate or 0

    def estimate(self, unit: Unit) -> Decimal | None:
        """Return what was said that it will add, in the unit of a limit."""
        if unit == "usd":
            pico = self.estimate_pico
            return None if pico is None else usd_from_pico(pico)
        tokens = self.estimate_tokens if unit == "tokens" else 1
        return None if tokens is None else Decimal(tokens)

    def of_model(self, model: str) -> Asked:
        """Return the same call of another model, whoever sells that.

        It is thought to cost what this one does, unless this one is free.
        """
        others = {k: v for k, v in self.named.items() if k not in ("model", "provider")}
        return replace(
            self,
            named=others | sold(model, None),
            model=model,
            estimate_pico=self.estimate_pico or None,
        )


def asked_for(  # noqa: PLR0913 - all that a call can say of itself
    *,
    user: object = None,
    model: object = None,
    project: object = None,
    session: object = None,
    endpoint: object = None,
    provider: object = None,
    source: object = None,
    api_key_hash: object = None,
    tags: Mapping[str, object] | None = None,
    estimate_usd: Money | None = None,
    estimate_tokens: int | None = None,
) -> Asked:
    """Return a call as it is asked for, by the names that its event will have.

    What is not said is taken from the `attribute(...)` blocks around.

    Raises:
        ConfigurationError: an estimate is no amount.
    """
    named = call_names(
        current_attribution(),
        user=user,
        model=model,
        project=project,
        session=session,
        endpoint=endpoint,
        provider=provider,
        source=source,
        api_key=api_key_hash,
        tags=tags,
    )
    usd, tokens = pico_estimated(estimate_usd), tokens_estimated(estimate_tokens)
    return Asked(named, label(model), usd, tokens)


def pico_estimated(usd: Money | None) -> int | None:
    """Return an amount in whole pico-dollars; one that is smaller counts as one.

    Raises:
        ConfigurationError: it is no amount from 0 on.

    >>> [pico_estimated(usd) for usd in ("0.5", 1e-13, 0, None)]
    [500000000000, 1, 0, None]
    """
    if usd is None:
        return None
    try:
        amount = Decimal(str(usd))
    except InvalidOperation:
        amount = Decimal("nan")
    if isinstance(usd, bool) or not amount.is_finite() or amount < 0:
        raise ConfigurationError(f"estimate_usd={usd!r} is no amount in USD from 0 on")
    pico = int(amount.scaleb(PLACES, _CONTEXT).to_integral_value(context=_CONTEXT))
    return pico or int(amount > 0)  # next to nothing is not free


def tokens_estimated(count: int | None) -> int | None:
    """Return a count of tokens as it was given.

    Raises:
        ConfigurationError: it is none from 0 on.
    """
    if count is not None and (isinstance(count, bool) or count < 0):
        raise ConfigurationError(f"estimate_tokens={count!r} is no count from 0 on")
    return count
