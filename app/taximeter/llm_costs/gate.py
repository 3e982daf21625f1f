"""What a limit, or a question, makes of a call: it passes, goes elsewhere, or stops."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from taximeter.estimates import Asked as AskedEstimate
from taximeter.llm_costs.before import BudgetReached, unmetered
from taximeter.llm_costs.books import BroughtUp, bring_up_to_date
from taximeter.llm_costs.config import CostsConfig
from taximeter.llm_costs.estimating import estimator_of
from taximeter.llm_costs.for_whom import ForWhom
from taximeter.llm_costs.home import Home
from taximeter.llm_costs.kept_prices import price_books
from taximeter.llm_costs.logged_events import SOURCE, sold_as, tokens_in
from taximeter.llm_costs.metering import asked_bytes
from taximeter.llm_costs.telling import tell
from taximeter_producers.guard.asked import Asked, asked_for
from taximeter_producers.guard.budget_index import Budgets
from taximeter_producers.guard.standings import Standings
from taximeter_producers.guard.verdicts import Knowledge, Verdict, verdict
from taximeter_schemas.budgets import BudgetDefined
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import BudgetExceeded, ConfigurationError, TaximeterError

__all__ = ["Asking", "NotWanted", "decide"]

_LENGTHS: Final = ("max_tokens", "max_output_tokens")


class Asking(NamedTuple):
    """A call that somebody wants to make, in the tool's own objects."""

    model: Any
    prompt: Any
    response: Any
    whom: ForWhom


class NotWanted(TaximeterError, click.ClickException):
    """Whoever was asked about the cost of a call did not say yes."""

    def __init__(self) -> None:
        self.message = "the call was not made: nobody said yes to what it costs"
        super().__init__(self.message)


class _Guess(NamedTuple):
    """About how long a call is, and what it costs; None where no price is known."""

    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None


def decide(
    home: Home, config: CostsConfig, asking: Asking, make: Callable[..., Any]
) -> Callable[..., Any]:
    """Return what makes the call: its own model, or the one that it falls back to.

    Raises:
        BudgetReached: a hard limit is reached.
        NotWanted: whoever was asked about it did not say yes.
    """
    model_id = str(asking.model.model_id)
    guess = _guess(home, config, asking)
    if not asking.whom.ignore_budget:
        brought = bring_up_to_date(home, config)
        tell(home, brought.alerts)
        said = _verdict(brought, _asked(model_id, asking.whom, guess))
        if said.refusal is not None:
            assert isinstance(said.refusal, BudgetExceeded)
            raise BudgetReached(said.refusal, _words(said.refusal, brought, guess))
        if said.decision.reason == "fallback":
            make = _fall_back(str(said.decision.model), asking, said)
    _ask(config, asking, guess)
    return make


def _guess(home: Home, config: CostsConfig, asking: Asking) -> _Guess:
    """Estimate what the call is thought to cost."""
    sent = tokens_in(asked_bytes(asking.prompt))
    options = asking.prompt.options
    said = (getattr(options, name, None) for name in _LENGTHS)
    made = next((n for n in said if isinstance(n, int)), config.calls.answer_tokens)
    provider, model = sold_as(str(asking.model.model_id))
    prices = estimator_of(price_books(home).book_at(SystemClock().now()))
    asked = AskedEstimate(
        model=model, provider=provider, input_tokens=sent, max_output_tokens=made
    )
    try:
        return _Guess(sent, made, prices.estimate(asked).cost_usd)
    except ConfigurationError:
        return _Guess(sent, made, None)


def _asked(model_id: str, whom: ForWhom, guess: _Guess) -> Asked:
    provider, model = sold_as(model_id)
    # Only that it is free matters: whether the rest still fits is not known before.
    free = guess.cost_usd == 0
    return asked_for(
        model=model,
        provider=provider,
        project=whom.project_id,
        source=SOURCE,
        tags=whom.tags,
        estimate_usd=0 if free else None,
    )


def _verdict(brought: BroughtUp, asked: Asked) -> Verdict:
    now = SystemClock().now()
    budgets, standings = Budgets(), Standings()
    budgets.replace(brought.stands.budgets.values())
    standings.replace(brought.stands.by_key(), now)
    return verdict(Knowledge(budgets, standings, now), asked)


def _words(reached: BudgetExceeded, brought: BroughtUp, guess: _Guess) -> str:
    budget = brought.stands.budgets[str(reached.budget_id)]
    unit = "USD" if reached.unit == "usd" else reached.unit
    spent, limit = _amount(reached.spent), _amount(reached.limit)
    waiting = ""
    if reached.resets_at is not None:
        zone_moment = reached.resets_at.astimezone(UTC)
        days = _days_until(zone_moment)
        waiting = f"wait until {zone_moment:%Y-%m-%d %H:%M} UTC ({days}), "
    return (
        f"budget {budget.budget_id}: {spent} of {limit} {unit} are spent, and it is a "
        f"hard limit; this call would cost {_thought(guess)}. Either {waiting}raise it "
        f"with 'llm costs set-budget', choose {_other_model(budget)}, or pass "
        "--ignore-budget"
    )


def _other_model(budget: BudgetDefined) -> str:
    of_one = "model" in budget.scope.named()
    return "another model" if of_one else "a model that costs nothing"


def _thought(guess: _Guess) -> str:
    """Return what a call is thought to cost.

    >>> _thought(_Guess(1, 2, Decimal("0.0003"))), _thought(_Guess(1, 2, None))
    ('about 0.000300 USD', 'nobody knows what: it has no price')
    """
    if guess.cost_usd is None:
        return "nobody knows what: it has no price"
    return f"about {guess.cost_usd:.6f} USD"


def _amount(amount: Decimal) -> str:
    """Return an amount to the cent, or exactly where that would say too little.

    >>> _amount(Decimal("20.050000")), _amount(Decimal("0.0031")), _amount(Decimal(7))
    ('20.05', '0.0031', '7.00')
    """
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents:f}" if cents == amount or amount >= 1 else f"{amount.normalize():f}"


def _days_until(moment: datetime) -> str:
    days = (moment - SystemClock().now()).total_seconds() / 86_400
    return f"{days:.1f} days"


def _fall_back(name: str, asking: Asking, said: Verdict) -> Callable[..., Any]:
    """Return what makes the call of another model instead, which the log then names."""
    import llm  # noqa: PLC0415

    is_async = isinstance(asking.model, llm.AsyncModel | llm.AsyncKeyModel)
    other: Any = llm.get_async_model(name) if is_async else llm.get_model(name)
    over = said.decision.over[0]
    click.echo(
        f"llm costs: budget {over.budget_id} is used up: asking {other.model_id} "
        f"instead of {asking.model.model_id}",
        err=True,
    )
    asking.response.model = other
    asking.prompt.options = _options(asking.prompt.options, other)
    make, keyed = unmetered(other), hasattr(other, "get_key")
    takes_key = isinstance(other, llm.KeyModel | llm.AsyncKeyModel)

    def instead(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        named.pop("key", None)
        if takes_key and keyed:
            named["key"] = other.get_key(None)
        return make(*given, **named)

    return instead


def _options(options: Any, other: Any) -> Any:  # noqa: ANN401
    """Return the options that the other model knows as well."""
    given = {name: value for name, value in options if value is not None}
    known = other.Options.model_fields
    return other.Options(**{n: value for n, value in given.items() if n in known})


def _ask(config: CostsConfig, asking: Asking, guess: _Guess) -> None:
    """Say what a call costs and ask, where somebody wants to be asked.

    Where nobody can answer, only the person's own --estimate-cost stops the call.
    """
    most, cost = config.calls.ask_above_usd, guess.cost_usd
    dear = most is not None and (cost is None or cost > most)
    if not (asking.whom.ask_first or dear):
        return
    click.echo(
        f"{asking.response.model.model_id}: about {guess.input_tokens:,} tokens in, "
        f"{guess.output_tokens:,} out; cost {_thought(guess)}",
        err=True,
    )
    if asking.whom.ask_first or click.get_text_stream("stdin").isatty():
        _confirm()


def _confirm() -> None:
    """Ask whoever is there; stdin may have been the prompt, and be read already.

    Raises:
        NotWanted: the answer is no, or nobody is there.
    """
    click.echo("Go on? [y/N]: ", nl=False, err=True)
    answer = click.get_text_stream("stdin").readline() or _at_terminal()
    if not answer.strip().lower().startswith("y"):
        raise NotWanted


def _at_terminal() -> str:
    try:
        with Path("/dev/tty").open(encoding="utf-8") as terminal:
            return terminal.readline()
    except OSError:
        return ""
