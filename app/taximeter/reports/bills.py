"""What providers say they billed: saved answers of their APIs, and CSV invoices.

Pure but for reading the file. Amounts are read digit by digit, never as floats.
Anthropic states cents, OpenAI dollars; both count days in UTC.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, NamedTuple

from taximeter_schemas.errors import ConfigurationError

__all__ = ["Bill", "BillLine", "lines_of", "model_name", "read_bill"]

_DATED: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")
_CENTS: Final = Decimal(100)
_OPENAI_INPUT: Final = ("input_tokens", "output_tokens")
_ANTHROPIC_INPUT: Final = (
    "uncached_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
)

Fields = Mapping[str, Any]


class BillLine(NamedTuple):
    """What a provider says of one day; None is what it does not say.

    `model` is without the date that a provider puts behind it, `beside` names what is
    charged beside tokens.
    """

    provider: str
    day: date
    model: str | None
    usd: Decimal | None = None
    calls: int | None = None
    tokens: int | None = None
    beside: str | None = None


class Bill(NamedTuple):
    """All lines of a file; not `complete` if it is a page with more behind it."""

    lines: list[BillLine]
    complete: bool


def read_bill(path: Path) -> Bill:
    """Return what a file says: a page of an API's answer, a list of them, or CSV.

    Raises:
        ConfigurationError: it is none of these.
        OSError: it cannot be read.
    """
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix.lower() == ".csv":
            return Bill(list(_invoice(text)), complete=True)
        told = json.loads(text, parse_float=Decimal)
        pages = told if isinstance(told, list) else [told]
        lines = lines_of(pages)
        return Bill(lines, complete=not pages[-1].get("has_more"))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ConfigurationError(
            f"{path} is no bill that can be read ({error}): save the whole answer of "
            "OpenAI's or Anthropic's cost or usage API, or write CSV with a head line "
            "of date, provider, model and amount_usd"
        ) from error


def lines_of(pages: Iterable[Fields]) -> list[BillLine]:
    """Return the lines of an API's pages.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: they are not of a known shape.
    """
    return [line for page in pages for line in _page(page)]


def model_name(text: str) -> str:
    """Return a model as events name it, as far as that can be told.

    >>> model_name("GPT-4o mini-2024-07-18"), model_name("claude-sonnet-4-20250514")
    ('gpt-4o-mini', 'claude-sonnet-4')
    """
    return _DATED.sub("", text.strip().lower().replace(" ", "-"))


def _page(page: Fields) -> Iterator[BillLine]:
    for bucket in page["data"]:
        day = _day(bucket.get("start_time") or bucket["starting_at"])
        for result in bucket["results"]:
            yield _shape(result)(day, result)


def _shape(result: Fields) -> Callable[[date, Fields], BillLine]:
    if isinstance(result.get("amount"), Mapping):
        return _openai_cost
    if "num_model_requests" in result:
        return _openai_usage
    if "amount" in result:
        return _anthropic_cost
    if "uncached_input_tokens" in result:
        return _anthropic_usage
    raise ValueError("a result of no known shape")


def _openai_cost(day: date, result: Fields) -> BillLine:
    amount, item = result["amount"], result.get("line_item")
    usd = _usd(amount["value"], amount["currency"])
    # "gpt-4o-2024-08-06, input": a model and a class of its tokens.
    name, comma, _ = (item or "").partition(",")
    if item and not comma:
        return BillLine("openai", day, None, usd, beside=item)
    return BillLine("openai", day, model_name(name) if name else None, usd)


def _openai_usage(day: date, result: Fields) -> BillLine:
    return BillLine(
        "openai",
        day,
        model_name(result["model"]) if result.get("model") else None,
        calls=int(result["num_model_requests"]),
        tokens=sum(int(result.get(name) or 0) for name in _OPENAI_INPUT),
    )


def _anthropic_cost(day: date, result: Fields) -> BillLine:
    usd = _usd(result["amount"], result["currency"]) / _CENTS
    kind, model = result.get("cost_type"), result.get("model")
    if kind not in (None, "tokens"):
        return BillLine("anthropic", day, None, usd, beside=kind)
    return BillLine("anthropic", day, model_name(model) if model else None, usd)


def _anthropic_usage(day: date, result: Fields) -> BillLine:
    written = (result.get("cache_creation") or {}).values()
    read = sum(int(result.get(name) or 0) for name in _ANTHROPIC_INPUT)
    model = result.get("model")
    return BillLine(
        "anthropic",
        day,
        model_name(model) if model else None,
        tokens=read + sum(map(int, written)),
    )


def _invoice(text: str) -> Iterator[BillLine]:
    for row in csv.DictReader(text.splitlines()):
        yield BillLine(
            row["provider"].strip().lower(),
            date.fromisoformat(row["date"].strip()),
            model_name(row["model"]) if row.get("model") else None,
            _usd(row["amount_usd"].replace(",", ""), "usd"),
            int(row["calls"]) if row.get("calls") else None,
            int(row["tokens"]) if row.get("tokens") else None,
        )


def _usd(amount: object, currency: str) -> Decimal:
    if currency.lower() != "usd":
        raise ValueError(f"an amount in {currency}, not in US dollars")
    try:
        usd = Decimal(str(amount))
    except InvalidOperation:
        raise ValueError(f"{amount!r} is no amount") from None
    if not usd.is_finite():
        raise ValueError(f"{amount!r} is no amount")
    return usd


def _day(moment: object) -> date:
    if isinstance(moment, int):
        return datetime.fromtimestamp(moment, UTC).date()
    return datetime.fromisoformat(str(moment)).astimezone(UTC).date()
