"""The measured rows as people and programs read them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from taximeter.bench.rows import Row

__all__ = ["as_facts", "as_table", "bar", "machine_line"]

_TARGET_AT: Final = 10
_LONGEST: Final = 20
_LARGE: Final = 100


def as_facts(row: Row) -> dict[str, object]:
    """Return a row as `--format json` prints it."""
    facts: dict[str, object] = {
        "name": row.name,
        "value": row.value,
        "unit": row.target.unit,
        "reference": row.reference,
        "ratio": row.ratio,
        "target": row.target.bound,
        "met": row.met,
        "detail": row.detail,
    }
    return facts if row.parts is None else facts | {"parts": dict(row.parts)}


def as_table(row: Row) -> dict[str, object]:
    """Return a row of the table for people."""
    return {
        "row": row.name,
        "value": _readable(row.value),
        "unit": row.target.unit,
        "reference": _readable(row.reference),
        "ratio": None if row.ratio is None else round(row.ratio, 3),
        "target": str(row.target),
        "met": "yes" if row.met else "no",
        "measured against the target": bar(row),
    }


def bar(row: Row) -> str:
    """Return how the figure stands to its target, which is the upright stroke.

    >>> bar(Row("sink", 25.0, 100.0, "")), bar(Row("sink", 75.0, 100.0, ""))
    ('#####     |', '##########|#####')
    """
    most = _LONGEST if row.measured else 0
    if bound := row.target.bound:
        most = round(row.measured / bound * _TARGET_AT)
    filled = max(0, min(most, _LONGEST))
    before, behind = min(filled, _TARGET_AT), max(0, filled - _TARGET_AT)
    return f"{'#' * before:<{_TARGET_AT}}|{'#' * behind}"


def machine_line(machine: Mapping[str, object]) -> str:
    """Return the machine in one line."""
    facts: dict[str, Any] = dict(machine)
    versions = cast("dict[str, str]", facts["versions"])
    libraries = ", ".join(f"{name} {number}" for name, number in versions.items())
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_mib']:,} MiB, "
        f"{facts['system']}, Python {facts['python']}, load "
        f"{facts['load_average_at_start']} at the start; {libraries}"
    )


def _readable(value: float | None) -> float | None:
    """Round to what can be relied on.

    >>> _readable(12345.678), _readable(3.14159), _readable(None)
    (12346, 3.14, None)
    """
    if value is None:
        return None
    return round(value) if value >= _LARGE else round(value, 2)
