"""What a script or a notebook spends, without Kafka: the in-process tracker.

The same pure code prices a call here as in a worker. What litellm is not needed for
stands in modules that do not import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taximeter.tracker.cost_tracker import CostTracker

__all__ = ["CostTracker"]


def __getattr__(name: str) -> object:
    if name != "CostTracker":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _cost_tracker()


def _cost_tracker() -> object:
    """Return the tracker; without litellm, the one that is no callback of it."""
    try:
        from taximeter.tracker.cost_tracker import (  # noqa: PLC0415 - imports litellm
            CostTracker,
        )
    except ModuleNotFoundError as error:
        if error.name != "litellm":
            raise
        from taximeter.tracker.call_tracker import CallTracker  # noqa: PLC0415

        return CallTracker
    return CostTracker
