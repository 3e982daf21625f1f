"""CSV or lines of JSON of any kind, with a mapping that names their columns.

    fields:                            # field of an event: column of the log
      occurred_at: created
      model: model
      input_tokens: prompt_tokens      # with the cached ones in it
      usage.cache_read_tokens: cached
      output_tokens: completion_tokens
      user_id: user
      tags.team: team
    constants:
      provider: openai
    time_zone: Europe/Berlin           # of times that do not say theirs

Without a column for `event_id` a row is known by all that it says, so that two equal
rows are one call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from taximeter.imports.context import Context, Fields, Format
from taximeter.imports.rows import Refused, Row
from taximeter.moments import time_zone
from taximeter_producers.usage_shapes.bodies import Faulty
from taximeter_producers.usage_shapes.counted import Counted, disjoint
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.ids import derived_id
from taximeter_schemas.usage import OTHER_UNITS, Usage, UsageRecorded

__all__ = ["ColumnMap", "mapped_events", "read_mapping"]

_INPUT: Final = "input_tokens"
_OUTPUT: Final = "output_tokens"
_USAGE: Final = "usage."
_TAGS: Final = "tags."
_NOT_MAPPED: Final = frozenset(
    {"usage", "tags", "schema_version", "event_type", "reservation_id", "prompt_hash"}
)
_PLAIN: Final = frozenset(UsageRecorded.model_fields) - _NOT_MAPPED
_MODALITIES: Final = ("audio", "image", "video")
_COUNTS: Final = frozenset({"duration_ms", "max_results"})

Name = Annotated[str, Field(min_length=1)]


class ColumnMap(BaseModel):
    """Which column says what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: dict[Name, Name] = {}
    constants: dict[Name, str] = {}
    time_zone: str = "UTC"

    @property
    def zone(self) -> ZoneInfo:
        """The zone of times that do not say theirs."""
        return time_zone(self.time_zone)

    def checked(self) -> ColumnMap:
        """Return it, if it can make events.

        Raises:
            ConfigurationError: a field is none, or one that is needed is missing.
        """
        for field in (*self.fields, *self.constants):
            if not _is_field(field):
                raise ConfigurationError(
                    f"{field!r} is no field of an event: write one of "
                    f"{', '.join(sorted(_PLAIN))}, {_INPUT}, {_OUTPUT}, "
                    "usage.<bucket> or tags.<name>"
                )
        for field in ("occurred_at", "model"):
            if field not in self.fields and field not in self.constants:
                raise ConfigurationError(
                    f"nothing says which column is {field}: --map {field}=COLUMN, or "
                    "`fields` in the mapping's file"
                )
        if not any(_is_usage(field) for field in self.fields):
            raise ConfigurationError(
                "no column says what was used: map input_tokens and output_tokens"
            )
        time_zone(self.time_zone)
        return self


def read_mapping(path: Path | None, given: Iterable[str]) -> ColumnMap:
    """Return the mapping of a file, with what the command line says over it.

    Args:
        path: a YAML file, or None.
        given: `field=column`, as often as wanted.

    Raises:
        ConfigurationError: one of them cannot be used; says which, and why.
    """
    said = _of_file(path) if path is not None else ColumnMap()
    fields = dict(said.fields)
    for text in given:
        field, sign, column = text.partition("=")
        if not (field and sign and column):
            raise ConfigurationError(f"{text!r} is not field=column")
        fields[field] = column
    return said.model_copy(update={"fields": fields}).checked()


def _of_file(path: Path) -> ColumnMap:
    try:
        return ColumnMap.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        first = (
            error.errors(include_url=False)[0]["msg"]
            if isinstance(error, ValidationError)
            else str(error)
        )
        raise ConfigurationError(f"{path} is no mapping: {first}") from None


def _is_usage(field: str) -> bool:
    return field in (_INPUT, _OUTPUT) or field.removeprefix(_USAGE) in _BUCKETS


def _is_field(field: str) -> bool:
    return field in _PLAIN or _is_usage(field) or field.startswith(_TAGS)


_BUCKETS: Final = frozenset(Usage.model_fields)


def mapped_events(mapping: ColumnMap) -> Format:
    """Return the format that a mapping describes."""

    def events(row: Row, context: Context) -> Iterator[Fields]:
        _check_columns(mapping, row)
        named = Row(
            {field: row.value(column) for field, column in mapping.fields.items()}
            | dict(mapping.constants)
        )
        yield _event(named, row, mapping.zone, context)

    return events


def _check_columns(mapping: ColumnMap, row: Row) -> None:
    needed = [
        column
        for field, column in mapping.fields.items()
        if column not in row.cells and field in ("occurred_at", "model")
    ]
    if needed:
        raise Refused(f"has no column {needed[0]!r}")


def _event(named: Row, row: Row, zone: ZoneInfo, context: Context) -> Fields:
    model = named.required("model")
    provider = named.text("provider") or context.seller(model)
    fields: Fields = {field: named.text(field) for field in _PLAIN}
    fields |= {field: named.count(field) for field in _COUNTS}
    fields |= {
        "event_id": _event_id(named.value("event_id"), row),
        "occurred_at": named.happened_at("occurred_at", zone=zone),
        "provider": provider,
        "provider_cost_usd": named.amount_usd("provider_cost_usd"),
        "usage": _usage(named),
        "tags": {
            field.removeprefix(_TAGS): text
            for field in named.cells
            if field.startswith(_TAGS) and (text := named.text(field))
        },
    }
    return {field: value for field, value in fields.items() if value is not None}


def _event_id(said: object, row: Row) -> UUID:
    """Return a UUID as it is, another id hashed, and without one the row's own hash."""
    if said is None:
        text = json.dumps(dict(row.cells), sort_keys=True, default=str)
        return derived_id("import", "row", hashlib.sha256(text.encode()).hexdigest())
    try:
        return UUID(str(said))
    except ValueError:
        return derived_id("import", "id", str(said))


def _usage(named: Row) -> Usage:
    """Return the buckets; where input and output are given, the rest lies in them."""
    stated = {name: n for name in _BUCKETS if (n := _measured(named, name))}
    total_input, total_output = named.count(_INPUT), named.count(_OUTPUT)
    if total_input is None and total_output is None:
        return Usage.model_validate(stated)
    try:
        return disjoint(_counted(total_input or 0, total_output or 0, stated))
    except Faulty as fault:
        raise Refused(str(fault)) from None


def _measured(named: Row, bucket: str) -> int | Decimal | None:
    column = f"{_USAGE}{bucket}"
    timed = bucket.endswith("_seconds")
    return named.seconds(column) if timed else named.count(column)


def _counted(total_input: int, total_output: int, stated: Mapping[str, Any]) -> Counted:
    def said(name: str) -> int:
        return int(stated.get(name, 0))

    long = said("cache_write_1h_tokens")
    return Counted(
        input=total_input,
        output=total_output,
        cached=said("cache_read_tokens"),
        written=said("cache_write_5m_tokens") + long,
        written_1h=long,
        input_by={n: c for n in _MODALITIES if (c := said(f"{n}_input_tokens"))},
        reasoning=said("reasoning_output_tokens"),
        output_by={n: c for n in _MODALITIES if (c := said(f"{n}_output_tokens"))},
        units={name: stated[name] for name in OTHER_UNITS if name in stated},
        input_name=_INPUT,
        output_name=_OUTPUT,
    )
