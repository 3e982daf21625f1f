"""A bar chart in text: as readable in a pipe as in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

__all__ = ["bar_chart"]

_EIGHTHS: Final = "▏▎▍▌▋▊▉█"
_LEAST: Final = 10
_GAPS: Final = 4


def bar_chart(bars: Sequence[tuple[str, Decimal | None]], width: int) -> str:
    """Return one line a bar: its label, the bar, and the amount.

    Args:
        bars: labels and amounts in US dollars; None is unpriced, and has no bar.
        width: of a line, in columns.

    >>> print(bar_chart([("mon", Decimal(2)), ("tue", Decimal(1)), ("?", None)], 28))
    mon  █████████████   $2.0000
    tue  ██████▌         $1.0000
    ?                   unpriced
    """
    if not bars:
        return "nothing to draw"
    labels = [_cut(label, width // 3) for label, _ in bars]
    amounts = ["unpriced" if usd is None else f"${usd:,.4f}" for _, usd in bars]
    left, right = max(map(len, labels)), max(map(len, amounts))
    room = max(width - left - right - _GAPS, _LEAST)
    most = max((usd for _, usd in bars if usd), default=Decimal(0))
    lines = [
        f"{label:<{left}}  {_bar(usd, most, room):<{room}}  {amount:>{right}}"
        for label, (_, usd), amount in zip(labels, bars, amounts, strict=True)
    ]
    return "\n".join(lines)


def _bar(usd: Decimal | None, most: Decimal, room: int) -> str:
    """Return a bar, to an eighth of a column; what is more than nothing has one.

    >>> _bar(Decimal(1), Decimal(1000), 10), _bar(Decimal(-1), Decimal(1), 10)
    ('▏', '')
    """
    if usd is None or usd <= 0:
        return ""
    full, part = divmod(max(int(usd / most * room * 8), 1), 8)
    return "█" * full + (_EIGHTHS[part - 1] if part else "")


def _cut(label: str, width: int) -> str:
    return label if len(label) <= width else f"{label[: width - 1]}…"
