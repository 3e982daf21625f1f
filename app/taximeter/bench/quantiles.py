"""Percentiles of what was measured, without smoothing between two values. Pure."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil

__all__ = ["quantile"]


def quantile(values: Collection[float], percent: int) -> float:
    """Return the smallest value that this share of all values does not exceed.

    >>> quantile([1, 2, 3, 4], 50), quantile([4, 3, 2, 1], 99)
    (2, 4)
    """
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]
