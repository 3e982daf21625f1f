"""Our ledger against a provider's bill, and a name for what explains a difference.

Pure. Rows are for a provider, a day in UTC and a model, as far as the bill tells them
apart: where it has no models for a provider, ours are added up as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from taximeter.reports.bills import BillLine, model_name
from taximeter.reports.figures import Row, amount, percent

__all__ = ["COLUMNS", "EXPLANATIONS", "reconciled", "total_row"]

EXPLANATIONS: Final = {
    "equal": "no difference of a cent or more, or of tokens where no amount is stated",
    "charged beside tokens": "searches, code execution and the like have a line of "
    "their own on the bill",
    "not metered": "the bill has it, and no call of it is in the ledger",
    "not billed": "calls are in the ledger, and the bill has none of them: another "
    "account, or not billed yet",
    "day boundary": "what one day has too much, the next or the last has too little",
    "unpriced here": "calls without a price are in the ledger, and in no sum",
    "calls missing here": "the bill counts more tokens, or calls, than the ledger",
    "calls missing there": "the ledger counts more tokens, or calls, than the bill",
    "another price": "tokens agree, amounts do not: a discount, a tier, an old price",
    "unexplained": "the bill says too little to tell",
}
"""The names of what explains a difference, the first that fits."""

COLUMNS: Final = (
    "provider",
    "day",
    "model",
    "ours_usd",
    "theirs_usd",
    "difference_usd",
    "difference_percent",
    "explanation",
    "ours_calls",
    "theirs_calls",
    "ours_tokens",
    "theirs_tokens",
    "unpriced_calls",
)
_CENT: Final = Decimal("0.01")
_ALIKE: Final = Decimal("0.005")

T = TypeVar("T")
_Key = tuple[str, date, str]


class _Theirs(NamedTuple):
    usd: Decimal | None
    calls: int | None
    tokens: int | None
    beside: str | None


class _Ours(NamedTuple):
    usd: Decimal | None
    calls: int
    tokens: int
    unpriced: int


def reconciled(bill: Sequence[BillLine], cells: Iterable[Row]) -> list[Row]:
    """Return a row for everything that either side has.

    Args:
        bill: what the providers say.
        cells: our spend by day, provider and model, in UTC, of the same days.
    """
    by_model = {line.provider for line in bill if line.model is not None}
    theirs = _grouped(bill, lambda line: _their_key(line, by_model))
    ours = _grouped(cells, lambda cell: _our_key(cell, by_model))
    rows = [
        _row(key, _added(ours.get(key, [])), _their_sum(theirs.get(key, [])))
        for key in sorted(ours.keys() | theirs.keys())
    ]
    _find_boundaries(rows)
    return rows


def total_row(rows: Sequence[Row]) -> Row:
    """Return the sums of both sides and what is between them."""
    ours, theirs = (_known(row[name] for row in rows) for name in COLUMNS[3:5])
    difference = None if theirs is None else (ours or Decimal(0)) - theirs
    said = {
        "provider": "total",
        "ours_usd": ours,
        "theirs_usd": theirs,
        "difference_usd": difference,
        "difference_percent": percent(difference, theirs),
        "unpriced_calls": sum(int(str(row["unpriced_calls"])) for row in rows),
    }
    return dict.fromkeys(COLUMNS) | said


def _row(key: _Key, ours: _Ours | None, theirs: _Theirs | None) -> Row:
    billed = None if theirs is None else theirs.usd
    metered = None if ours is None else ours.usd
    silent = theirs is not None and billed is None
    difference = None if silent else (metered or Decimal(0)) - (billed or Decimal(0))
    return {
        "provider": key[0],
        "day": key[1],
        "model": key[2] or None,
        "ours_usd": metered,
        "theirs_usd": billed,
        "difference_usd": difference,
        "difference_percent": percent(difference, billed),
        "explanation": _explained(ours, theirs, difference),
        "ours_calls": ours and ours.calls,
        "theirs_calls": theirs and theirs.calls,
        "ours_tokens": ours and ours.tokens,
        "theirs_tokens": theirs and theirs.tokens,
        "unpriced_calls": ours.unpriced if ours else 0,
    }


def _explained(
    ours: _Ours | None, theirs: _Theirs | None, difference: Decimal | None
) -> str:
    if ours is None:
        return "charged beside tokens" if theirs and theirs.beside else "not metered"
    if theirs is None:
        return "not billed"
    if difference is None:
        found = _by_counts(ours, theirs)
        return "equal" if found == "another price" else found
    if abs(difference) < _CENT and not ours.unpriced:
        return "equal"
    if ours.unpriced and difference <= 0:
        return "unpriced here"
    return _by_counts(ours, theirs)


def _by_counts(ours: _Ours, theirs: _Theirs) -> str:
    pairs = ((ours.tokens, theirs.tokens), (ours.calls, theirs.calls))
    for here, there in pairs:
        if there is None:
            continue
        if abs(here - there) <= there * _ALIKE:
            return "another price"
        return "calls missing here" if here < there else "calls missing there"
    return "unexplained"


def _find_boundaries(rows: Sequence[Row]) -> None:
    """Name differences that two days next to each other make up between them."""
    open_rows = {
        (row["provider"], row["model"], row["day"]): row
        for row in rows
        if row["explanation"] not in {"equal", "charged beside tokens"}
    }
    for (provider, model, day), row in open_rows.items():
        assert isinstance(day, date)
        after = open_rows.get((provider, model, day + timedelta(days=1)))
        if after is not None and _cancel(row, after):
            row["explanation"] = after["explanation"] = "day boundary"


def _cancel(row: Row, after: Row) -> bool:
    """Tell whether two differences make each other up, and are differences at all."""
    here, there = amount(row["difference_usd"]), amount(after["difference_usd"])
    if here is None or there is None or abs(here) < _CENT:
        return False
    return abs(here + there) < _CENT


def _grouped(items: Iterable[T], key: Callable[[T], _Key]) -> dict[_Key, list[T]]:
    groups: dict[_Key, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _their_key(line: BillLine, by_model: set[str]) -> _Key:
    if line.beside:
        return line.provider, line.day, line.beside
    known = line.model or "(no model)"
    return line.provider, line.day, known if line.provider in by_model else ""


def _our_key(cell: Row, by_model: set[str]) -> _Key:
    provider, day = str(cell["provider"]), cell["day"]
    assert isinstance(day, date)
    model = model_name(str(cell["model"])) if provider in by_model else ""
    return provider, day, model


def _their_sum(lines: Sequence[BillLine]) -> _Theirs | None:
    if not lines:
        return None
    calls = [line.calls for line in lines if line.calls is not None]
    tokens = [line.tokens for line in lines if line.tokens is not None]
    return _Theirs(
        _known(line.usd for line in lines),
        sum(calls) if calls else None,
        sum(tokens) if tokens else None,
        next((line.beside for line in lines if line.beside), None),
    )


def _added(cells: Sequence[Row]) -> _Ours | None:
    if not cells:
        return None

    def total(name: str) -> int:
        return sum(int(str(cell[name])) for cell in cells)

    tokens = total("input_tokens") + total("output_tokens")
    usd = _known(cell["cost_usd"] for cell in cells)
    return _Ours(usd, total("calls"), tokens, total("unpriced_calls"))


def _known(amounts: Iterable[object]) -> Decimal | None:
    said = [Decimal(str(usd)) for usd in amounts if usd is not None]
    return sum(said, Decimal(0)) if said else None
