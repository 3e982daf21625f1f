"""Asks a guard before each of litellm's calls: `litellm.callbacks = [..., guard]`.

litellm has no hook in which a sync call can be stopped, so its public functions ask the
guards among its callbacks first, as they ask the trackers (`tracker.litellm_calls`);
async ones that were imported by name are stopped in litellm's hook before a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, ParamSpec, TypeVar
from uuid import uuid4

import litellm
from litellm.integrations.custom_logger import CustomLogger

from taximeter.tracker import litellm_calls
from taximeter_producers.attribution import current_attribution
from taximeter_producers.guard.asked import Money
from taximeter_producers.guard.budget_guard import BudgetGuard
from taximeter_producers.guard.verdicts import Decision
from taximeter_producers.litellm_callback import attribution_in_call

__all__ = ["LiteLLMGuard"]

P = ParamSpec("P")
T = TypeVar("T")

_MODEL: Final = "model"


class LiteLLMGuard(CustomLogger):
    """A litellm callback that lets a guard stop calls, or send them to a fallback.

    Stands beside `LiteLLMCallback`, which meters them. Whom a call is for is taken from
    the `attribute(...)` blocks around it, and for what those leave open from litellm's
    own `user=` and `metadata=`. A model that litellm lists with a price of 0 is free.

    Args:
        guard: knows the budgets.
        estimate: called with a call's arguments; returns what it may cost in USD, 0 for
            a free one, None for unknown: `CallEstimates` is one.
    """

    def __init__(
        self,
        guard: BudgetGuard,
        *,
        estimate: Callable[[Mapping[str, object]], Money | None] | None = None,
    ) -> None:
        super().__init__()
        # litellm takes two callbacks of a class for one if their texts and numbers
        # are the same, and then leaves the second one out.
        self.callback_key = uuid4().hex
        self._guard = guard
        self._estimate = estimate
        litellm_calls.watch(litellm)

    def guard(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return one of litellm's functions with this guard before it.

        For a sync function that was imported by name before there was a guard, and for
        a router's: `completion = litellm_guard.guard(completion)`.
        """
        return litellm_calls.guarded(function, lambda _: [self])

    def before_call(self, call: Mapping[str, object]) -> str | None:
        """Return the model to call instead, None for the one that is asked for.

        Raises:
            BudgetExceeded: the call may not be made.
            BudgetUnknown: nobody knows whether it may.
        """
        decision = self._decision(call)
        return decision.model if decision.reason == "fallback" else None

    async def async_pre_call_deployment_hook(
        self, kwargs: dict[str, Any], call_type: object
    ) -> dict[str, Any] | None:
        """Stop an async call: what this hook raises does reach the caller."""
        decision = self._decision(kwargs)
        if decision.reason != "fallback":
            return None
        if _MODEL not in kwargs:  # it stands where nobody can change it
            raise decision.over[0]
        return kwargs | {_MODEL: decision.model}

    def _decision(self, call: Mapping[str, object]) -> Decision:
        whom = attribution_in_call(litellm_calls.as_logged(call))
        around = current_attribution()
        provider, model = _sold(call)
        return self._guard.check(
            user=around.user_id or whom.get("user_id"),
            project=around.project_id or whom.get("project_id"),
            session=around.session_id or whom.get("session_id"),
            model=model,
            provider=provider,
            estimate_usd=self._estimated(call, provider, model),
        )

    def _estimated(
        self, call: Mapping[str, object], provider: str | None, model: str | None
    ) -> Money | None:
        if self._estimate is not None:
            return self._estimate(call)
        return Decimal(0) if _is_free(provider, model) else None


def _sold(call: Mapping[str, object]) -> tuple[str | None, str | None]:
    """Return provider and model as litellm, and so an event, names them."""
    model, provider = litellm_calls.model_of(call), litellm_calls.provider_of(call)
    if model is None:
        return provider, None
    try:
        name, seller, *_ = litellm.get_llm_provider(model, custom_llm_provider=provider)
    except Exception:  # it raises what it likes for a name that it does not know
        return provider, model
    return seller, name


def _is_free(provider: str | None, model: str | None) -> bool:
    """Tell whether litellm's list says of every price that it is 0."""
    listed: Any = litellm.model_cost
    entry = listed.get(f"{provider}/{model}") or listed.get(model) or {}
    prices = [value for name, value in entry.items() if "cost" in name]
    stated = {"input_cost_per_token", "output_cost_per_token"} <= entry.keys()
    return stated and all(price == 0 for price in prices)
