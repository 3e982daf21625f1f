"""Budgets, plans, how budgets stand, and every change of them, as rows.

Pure. One record of the `budgets` topic may leave rows in more than one table: what is
in force now, and what was changed.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pyarrow as pa
from pydantic import TypeAdapter
from pydantic_core import to_json

from taximeter_schemas.budgets import (
    BudgetDefined,
    BudgetEvent,
    BudgetRemoved,
    BudgetStatus,
    PlanAssigned,
    budget_event_adapter,
)
from taximeter_sinks.decode import RawRecord

__all__ = [
    "BUDGETS",
    "BUDGET_CHANGES",
    "BUDGET_STATUS",
    "PLAN_ASSIGNMENTS",
    "budget_row",
    "change_row",
    "plan_row",
    "status_row",
]

Row = dict[str, Any]

_MONEY: Final = pa.decimal128(38, 12)
_MOMENT: Final = pa.timestamp("us", tz="UTC")
_TEXT: Final = pa.string()
_NOT_COLUMNS: Final = {"event_type", "schema_version"}

BUDGETS: Final = pa.schema(
    [
        ("budget_id", _TEXT),
        ("scope", pa.map_(_TEXT, _TEXT)),
        ("scope_kind", _TEXT),
        ("exceptions", pa.list_(_TEXT)),
        ("plan", _TEXT),
        ("period", _TEXT),
        ("time_zone", _TEXT),
        ("starts_at", _MOMENT),
        ("ends_at", _MOMENT),
        ("limit_usd", _MONEY),
        ("limit_tokens", pa.int64()),
        ("limit_calls", pa.int64()),
        ("thresholds_percent", pa.list_(pa.int32())),
        ("rollover", pa.list_(_TEXT)),
        ("alert_on_forecast", pa.bool_()),
        ("on_exceeded", _TEXT),
        ("fallback_model", _TEXT),
        ("when_unknown", _TEXT),
        ("defined_at", _MOMENT),
        ("defined_by", _TEXT),
        ("removed_at", _MOMENT),
    ]
)

PLAN_ASSIGNMENTS: Final = pa.schema(
    [
        ("user_id", _TEXT),
        ("plan", _TEXT),
        ("assigned_at", _MOMENT),
        ("assigned_by", _TEXT),
    ]
)

BUDGET_CHANGES: Final = pa.schema(
    [
        ("change_id", _TEXT),
        ("changed_at", _MOMENT),
        ("changed_by", _TEXT),
        ("change", _TEXT),
        ("budget_id", _TEXT),
        ("user_id", _TEXT),
        ("event", _TEXT),
    ]
)

BUDGET_STATUS: Final = pa.schema(
    [
        ("status_key", _TEXT),
        ("budget_id", _TEXT),
        ("subject_kind", _TEXT),
        ("subject_id", _TEXT),
        ("period", _TEXT),
        ("period_start", _MOMENT),
        ("period_end", _MOMENT),
        ("limit_usd", _MONEY),
        ("limit_tokens", pa.int64()),
        ("limit_calls", pa.int64()),
        ("spent_usd", _MONEY),
        ("remaining_usd", _MONEY),
        ("reserved_usd", _MONEY),
        ("state", _TEXT),
        ("calls", pa.int64()),
        ("unpriced_calls", pa.int64()),
        ("tokens", pa.int64()),
        ("reserved_tokens", pa.int64()),
        ("reserved_calls", pa.int64()),
    ]
)


class _Status(msgspec.Struct, gc=False):
    """A `BudgetStatus` as text: there are as many of them as users that are busy."""

    budget_id: str
    subject_kind: str
    subject_id: str
    period: str
    period_start: str | None
    period_end: str | None
    spent_usd: str
    state: str
    calls: int
    unpriced_calls: int
    limit_usd: str | None = None
    limit_tokens: int | None = None
    limit_calls: int | None = None
    remaining_usd: str | None = None
    reserved_usd: str = "0"
    tokens: int | None = None
    reserved_tokens: int = 0
    reserved_calls: int = 0


_quick_status: Final = msgspec.json.Decoder(_Status)
_status_adapter: Final = TypeAdapter(BudgetStatus)


def status_row(record: RawRecord) -> Row:
    """Return how a subject stands in a budget."""
    key = (record.key or b"").decode(errors="replace")
    try:
        status = _quick_status.decode(record.value or b"")
    except (msgspec.MsgspecError, ValueError):
        event = _status_adapter.validate_json(record.value or b"")
        return event.model_dump(exclude=_NOT_COLUMNS) | {"status_key": key}
    return msgspec.structs.asdict(status) | {"status_key": key}


def budget_row(record: RawRecord) -> Row | None:
    """Return a budget as it is defined now, or no more than that it is removed."""
    event = _event(record)
    if isinstance(event, PlanAssigned):
        return None
    if isinstance(event, BudgetRemoved):
        return {"budget_id": event.budget_id, "removed_at": event.removed_at}
    return event.model_dump(exclude=_NOT_COLUMNS) | {
        "scope": list(event.scope.named().items()),
        "scope_kind": event.scope.kind,
        "exceptions": event.scope.exceptions,
        "plan": event.scope.plan,
        "removed_at": None,
    }


def plan_row(record: RawRecord) -> Row | None:
    """Return which plan a user is on."""
    event = _event(record)
    if not isinstance(event, PlanAssigned):
        return None
    return event.model_dump(exclude=_NOT_COLUMNS)


def change_row(record: RawRecord) -> Row:
    """Return what was changed, when and by whom; a place in the log is its id."""
    event = _event(record)
    fields = event.model_dump(mode="json", exclude_unset=True)
    return {
        "change_id": f"{record.partition}:{record.offset}",
        "change": type(event).__name__,
        "budget_id": fields.get("budget_id"),
        "user_id": fields.get("user_id"),
        "event": to_json(fields).decode(),
    } | _when(event)


def _when(event: BudgetEvent) -> Row:
    if isinstance(event, BudgetDefined):
        return {"changed_at": event.defined_at, "changed_by": event.defined_by}
    if isinstance(event, BudgetRemoved):
        return {"changed_at": event.removed_at, "changed_by": event.removed_by}
    return {"changed_at": event.assigned_at, "changed_by": event.assigned_by}


def _event(record: RawRecord) -> BudgetEvent:
    return budget_event_adapter.validate_json(record.value or b"")
