"""The report that a tracker prints when the program ends. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from taximeter.tracker.calls import TrackedCall
from taximeter.tracker.totals import ALL, Standing

__all__ = ["summary_text", "usd"]

_SHOWN: Final = 10
_FEWEST_PLACES: Final = 2


def usd(amount: Decimal) -> str:
    """Return an exact amount for people: no digit lost, no zero too many.

    >>> usd(Decimal("0.001959000000")), usd(Decimal("5")), usd(Decimal("-0.5"))
    ('$0.001959', '$5.00', '-$0.50')
    """
    whole, _, places = f"{abs(amount):f}".partition(".")
    shown = places.rstrip("0").ljust(_FEWEST_PLACES, "0")
    return f"{'-' if amount < 0 else ''}${whole}.{shown}"


def summary_text(
    standing: Standing,
    budget: Decimal | None,
    refused: int,
    calls: Sequence[TrackedCall] = (),
) -> str:
    """Return what was spent, on what, by which calls, and how the budget stands."""
    lines = [*_lines(standing, budget, refused), *_each(calls)]
    return "\n".join(lines)


def _lines(standing: Standing, budget: Decimal | None, refused: int) -> Iterator[str]:
    spent = standing.spent(ALL)
    yield f"LLM spend: {usd(spent)} in {_calls(standing.requests)}"
    if budget is not None:
        yield f"  budget: {_of_budget(spent, budget)}"
    yield from _unpriced(standing)
    if standing.failed:
        yield f"  failed: {_calls(standing.failed)}"
    if refused:
        yield f"  refused: {_calls(refused)}"
    yield from _models(standing)


def _of_budget(spent: Decimal, budget: Decimal) -> str:
    left = budget - spent
    if left < 0:
        return f"{usd(budget)}, exceeded by {usd(-left)}"
    return f"{usd(budget)}, {usd(left)} left"


def _unpriced(standing: Standing) -> Iterator[str]:
    for model, count in list(standing.unpriced.items())[:_SHOWN]:
        yield f"  unpriced: {_calls(count)} of {model}, not in the total"
    if rest := list(standing.unpriced.values())[_SHOWN:]:
        yield f"  unpriced: {_calls(sum(rest))} of {len(rest)} more models"


def _models(standing: Standing) -> Iterator[str]:
    rows = list(standing.by("model").items())
    width = max((len(name) for name, _ in rows[:_SHOWN]), default=0)
    for name, spent in rows[:_SHOWN]:
        sent, made = standing.tokens[name]
        yield f"  {name:<{width}}  {sent:,} + {made:,} tokens  {usd(spent)}"
    if rest := rows[_SHOWN:]:
        spent = sum((amount for _, amount in rest), Decimal(0))
        yield f"  {len(rest)} more models: {usd(spent)}"


def _each(calls: Sequence[TrackedCall]) -> Iterator[str]:
    """Say each of the latest calls; of a single one all has been said."""
    if len(calls) < 2:  # noqa: PLR2004
        return
    first = max(len(calls) - _SHOWN, 0)
    if first:
        yield f"  the latest {_SHOWN} calls:"
    for number, call in enumerate(calls[first:], first + 1):
        cost = call["cost_usd"]
        tokens = f"{call['input_tokens']:,} + {call['output_tokens']:,} tokens"
        yield (
            f"  {number}. {call['model']}  {tokens}  "
            f"{'unpriced' if cost is None else usd(cost)}"
        )


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count:,} calls"
