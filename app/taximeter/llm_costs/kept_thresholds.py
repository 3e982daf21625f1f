"""At which shares of a budget somebody wants to be told, unless a budget says so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from taximeter.llm_costs.home import Home

__all__ = ["keep_thresholds", "usual_thresholds"]

_USUAL: Final = (80, 90, 100)


def usual_thresholds(home: Home) -> tuple[int, ...]:
    """Return them, in percent."""
    file = _file(home)
    return tuple(json.loads(file.read_text())) if file.exists() else _USUAL


def keep_thresholds(home: Home, percents: Sequence[int]) -> None:
    """Set them."""
    _file(home.made()).write_text(json.dumps(list(percents)))


def _file(home: Home) -> Path:
    return home.data / "thresholds.json"
