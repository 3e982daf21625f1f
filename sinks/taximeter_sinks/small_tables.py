"""The topics beside `charges`, as rows of small tables with one row a key.

A topic may fill more than one: dead letters and their retries, budgets and changes.
Pure: records in, rows out. All of these records may arrive again; the latest of a key
counts, except for alerts, where the first does: an alert is raised once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from taximeter_schemas.alerts import Alert, PriceMissing, alert_adapter
from taximeter_schemas.dead_letters import DeadLetter, DeadLetterRetried
from taximeter_schemas.prices import price_event_adapter
from taximeter_schemas.records import explained
from taximeter_schemas.subjects import EVERYTHING
from taximeter_schemas.topics import Topics
from taximeter_sinks.budget_rows import (
    BUDGET_CHANGES,
    BUDGET_STATUS,
    BUDGETS,
    PLAN_ASSIGNMENTS,
    budget_row,
    change_row,
    plan_row,
    status_row,
)
from taximeter_sinks.decode import RawRecord, Undecodable
from taximeter_sinks.delivery_rows import DELIVERY_COLUMNS, delivery_row

__all__ = ["SmallTable", "TableBatch", "small_tables"]

Row = dict[str, Any]

_RETRIED: Final = DeadLetterRetried.__name__
_MONEY: Final = pa.decimal128(38, 12)
_MOMENT: Final = pa.timestamp("us", tz="UTC")
_TEXT: Final = pa.string()
_WINDOW: Final = (
    ("subject_kind", _TEXT),
    ("subject_id", _TEXT),
    ("period", _TEXT),
    ("period_start", _MOMENT),
    ("period_end", _MOMENT),
)


@dataclass(frozen=True)
class SmallTable:
    """One table, the topic that fills it, and how a record becomes a row.

    A record that is no row of this table, such as how far somebody has read, has the
    row None.
    """

    name: str
    key: str
    schema: pa.Schema
    row: Callable[[RawRecord], Row | None]
    first_wins: bool = False

    def only_removes(self, row: Row) -> bool:
        """Tell whether a row says no more than that something is gone."""
        return self.name == "budgets" and "period" not in row

    def arrow(self, rows: Sequence[Row]) -> pa.Table:
        """Return rows as a table; amounts and moments may be text."""
        columns = [[row.get(name) for row in rows] for name in self.schema.names]
        arrays = map(_array, columns, self.schema.types)
        return pa.Table.from_arrays(list(arrays), schema=self.schema)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if any(isinstance(value, str) for value in values):
        return pa.array(values, pa.string()).cast(kind)
    return pa.array(values, kind)


@dataclass
class TableBatch:
    """What some records leave behind in one table: a row, or None for a deletion."""

    table: SmallTable
    rows: dict[str, Row | None] = field(default_factory=dict[str, Row | None])

    def add(self, record: RawRecord) -> Undecodable | None:
        """Take one record in; one that cannot be read is handed back."""
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            self.rows[key] = None
            return None
        try:
            row = self.table.row(record)
        except ValidationError as error:
            return Undecodable(record, explained(error))
        if row is not None:
            self._put(str(row[self.table.key]), row)
        return None

    def _put(self, key: str, row: Row) -> None:
        before = self.rows.get(key)
        if before and self.table.first_wins:
            return
        if before and self.table.only_removes(row):
            row = before | row  # a removal keeps the definition before it
        self.rows[key] = row


def small_tables(topics: Topics) -> Mapping[str, tuple[SmallTable, ...]]:
    """Return the tables that each topic fills, by the topic's name."""
    return {
        topics.budget_alerts.name: (_ALERTS,),
        topics.deliveries.name: (_DELIVERIES,),
        topics.budgets.name: (_BUDGETS, _PLANS, _CHANGES),
        topics.budget_status.name: (_STATUS,),
        topics.dead_letters.name: (_DEAD_LETTERS, _DEAD_LETTER_RETRIES),
        topics.prices.name: (_PRICE_VERSIONS,),
    }


def _fields(event: BaseModel, **more: object) -> Row:
    return event.model_dump(exclude={"event_type", "schema_version"}) | more


def _alert(record: RawRecord) -> Row:
    event = alert_adapter.validate_json(record.value or b"")
    own = {"alert_id": str(event.alert_id), "event_type": type(event).__name__}
    written = {"event": (record.value or b"").decode()}
    return _about(event) | _fields(event) | own | written


def _about(event: Alert) -> Row:
    """Return whom an alert is about where it does not say so by kind and id."""
    if isinstance(event, PriceMissing):
        return {"subject_kind": "model", "subject_id": event.model}
    kind, id_ = EVERYTHING
    return {"subject_kind": kind, "subject_id": id_}


def _dead_letter(record: RawRecord) -> Row | None:
    if _is_retry(record):
        return None
    event = _dead_letter_adapter.validate_json(record.value or b"")
    return _fields(event, dead_letter_id=event.key.decode(), payload=event.payload)


def _is_retry(record: RawRecord) -> bool:
    try:
        fields = from_json(record.value or b"")
    except ValueError:
        return False
    return isinstance(fields, dict) and fields.get("event_type") == _RETRIED


def _retry(record: RawRecord) -> Row | None:
    if not _is_retry(record):
        return None
    event = _retry_adapter.validate_json(record.value or b"")
    return _fields(event, event_ids=[str(event_id) for event_id in event.event_ids])


def _price_version(record: RawRecord) -> Row:
    event = price_event_adapter.validate_json(record.value or b"")
    return {name: getattr(event, name) for name in _PRICE_VERSIONS.schema.names}


_dead_letter_adapter: Final = TypeAdapter(DeadLetter)
_retry_adapter: Final = TypeAdapter(DeadLetterRetried)

_ALERTS: Final = SmallTable(
    "alerts",
    "alert_id",
    pa.schema(
        [
            ("alert_id", _TEXT),
            ("raised_at", _MOMENT),
            ("budget_id", _TEXT),
            *_WINDOW,
            ("threshold_percent", pa.int32()),
            ("limit_usd", _MONEY),
            ("limit_tokens", pa.int64()),
            ("limit_calls", pa.int64()),
            ("spent_usd", _MONEY),
            ("tokens", pa.int64()),
            ("calls", pa.int64()),
            ("late", pa.bool_()),
            ("event_type", _TEXT),
            ("event", _TEXT),
        ]
    ),
    _alert,
    first_wins=True,
)

_DELIVERIES: Final = SmallTable(
    "deliveries",
    "delivery_id",
    DELIVERY_COLUMNS,
    delivery_row,
)

_BUDGETS: Final = SmallTable("budgets", "budget_id", BUDGETS, budget_row)
_PLANS: Final = SmallTable("plan_assignments", "user_id", PLAN_ASSIGNMENTS, plan_row)
_CHANGES: Final = SmallTable("budget_changes", "change_id", BUDGET_CHANGES, change_row)
_STATUS: Final = SmallTable("budget_status", "status_key", BUDGET_STATUS, status_row)

_DEAD_LETTER_RETRIES: Final = SmallTable(
    "dead_letter_retries",
    "dead_letter_id",
    pa.schema(
        [
            ("dead_letter_id", _TEXT),
            ("event_ids", pa.list_(_TEXT)),
            ("corrected", pa.bool_()),
            ("retried_at", _MOMENT),
        ]
    ),
    _retry,
)

_DEAD_LETTERS: Final = SmallTable(
    "kept_dead_letters",
    "dead_letter_id",
    pa.schema(
        [
            ("dead_letter_id", _TEXT),
            ("reason", _TEXT),
            ("detail", _TEXT),
            ("origin_topic", _TEXT),
            ("origin_partition", pa.int32()),
            ("origin_offset", pa.int64()),
            ("origin_position", pa.int32()),
            ("recorded_at", _MOMENT),
            ("payload", pa.binary()),
        ]
    ),
    _dead_letter,
)

_PRICE_VERSIONS: Final = SmallTable(
    "price_versions",
    "price_version",
    pa.schema(
        [
            ("price_version", _TEXT),
            ("effective_from", _MOMENT),
            ("source", _TEXT),
            ("content_hash", _TEXT),
            ("models", pa.int64()),
        ]
    ),
    _price_version,
)
