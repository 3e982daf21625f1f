"""Percentiles of what was measured, without smoothing between two values. Pure."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil, sqrt

__all__ = ["median_between", "quantile"]


def quantile(values: Collection[float], percent: int) -> float:
    """Return the smallest value that this share of all values does not exceed.

    >>> quantile([1, 2, 3, 4], 50), quantile([4, 3, 2, 1], 99)
    (2, 4)
    """
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def median_between(values: Collection[float]) -> tuple[float, float]:
    """Return between what the true median lies in 95 of 100 cases.

    The number of values below it is that of heads among coins, whatever else is true
    of them: so these are two of the values themselves.

    >>> median_between(range(100)), median_between([7])
    ((40, 59), (7, 7))
    """
    ordered = sorted(values)
    outside = max(0, int(len(ordered) / 2 - 1.96 * sqrt(len(ordered)) / 2))
    return ordered[outside], ordered[-1 - outside]
