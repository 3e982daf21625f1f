"""The spend of subjects by the hour, as SQL over `charges`: pure, text in, sums out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from taximeter_schemas.subjects import (
    FIELDS,
    Subject,
    SubjectKind,
    dimensions_of,
    subject_of,
    tag_of,
)
from taximeter_sinks.charge_sums import CALLS, TOKENS, charges_table
from taximeter_sinks.dimensions import QUARTER, is_dimension, quoted, within
from taximeter_sinks.rolled_sums import Wanted, rolled_sums
from taximeter_sinks.sql_text import sql_literal

__all__ = [
    "HourSum",
    "HourSums",
    "column_of",
    "hourly_query",
    "hourly_rows",
    "of_subject",
]

_HOUR_SECONDS: Final = 3_600
_HOUR: Final = "epoch_us(occurred_at) // 3600000000 * 3600"


class HourSum(NamedTuple):
    """What was spent in an hour; what has no price is not in it."""

    cost_usd: Decimal
    tokens: int
    calls: int


HourSums = dict[int, HourSum]
"""By the hour's start in epoch seconds."""


def hourly_query(
    kinds: Mapping[SubjectKind, Collection[Subject] | None],
    start: datetime,
    end: datetime | None,
    version: int,
) -> str:
    """Return one query for all these subjects over `[start, end)`.

    `kinds` says for each kind which subjects are meant, None for all of it; `version`
    is that of the ledger's tables.
    """
    when = " AND ".join(within(start, end))
    parts = [
        _rolled(kind, which, start, end, version) or _part(kind, which, when, version)
        for kind, which in kinds.items()
    ]
    return " UNION ALL ".join(parts)


def hourly_rows(rows: Iterable[Sequence[Any]]) -> dict[Subject, HourSums]:
    """Return what the query's rows say, by subject."""
    found: dict[Subject, HourSums] = {}
    for kind, values, hour, *sums in rows:
        named = dict(zip(dimensions_of(kind), values, strict=True))
        found.setdefault(subject_of(named), {})[int(hour)] = HourSum(*sums)
    return found


def of_subject(subject: Subject) -> list[str]:
    """Return the conditions for the charges of a subject; none for everybody's."""
    columns = [column_of(dimension) for dimension in dimensions_of(subject.kind)]
    return [_in(columns, [subject])] if columns else []


def _rolled(
    kind: SubjectKind,
    which: Collection[Subject] | None,
    start: datetime,
    end: datetime | None,
    version: int,
) -> str | None:
    """Return the query for one kind out of a roll-up; None if none has it."""
    by = dimensions_of(kind)
    if not all(map(is_dimension, by)):
        return None
    wanted = Wanted([QUARTER, *by], start, end, seconds=_HOUR_SECONDS)
    summed = rolled_sums(wanted, version)
    if summed is None:
        return None
    columns = quoted(by)
    chosen = "" if which is None or not columns else f"WHERE {_in(columns, which)}"
    return f"""
        SELECT {sql_literal(kind)} AS kind,
            [{", ".join(columns)}]::VARCHAR[] AS subject, quarter // 4 * 3600 AS hour,
            sum(cost_usd)::DECIMAL(38, 12) AS cost_usd,
            (sum(input_tokens) + sum(output_tokens))::BIGINT AS tokens,
            sum(calls)::BIGINT AS calls
        FROM ({summed}) {chosen} GROUP BY 1, 2, 3
    """  # noqa: S608


def _part(
    kind: SubjectKind, which: Collection[Subject] | None, when: str, version: int
) -> str:
    columns = [column_of(dimension) for dimension in dimensions_of(kind)]
    known = "".join(f" AND {column} IS NOT NULL" for column in columns)
    values = f"[{', '.join(columns)}]::VARCHAR[]"
    chosen = "" if which is None or not columns else f" AND {_in(columns, which)}"
    return (
        f"SELECT {sql_literal(kind)} AS kind, {values} AS subject, {_HOUR} AS hour, "  # noqa: S608
        f"coalesce(sum(cost_usd), 0)::DECIMAL(38, 12) AS cost_usd, "
        f"{TOKENS} AS tokens, {CALLS} AS calls "
        f"FROM {charges_table(version)} WHERE {when}{known}{chosen} GROUP BY 1, 2, 3"
    )


def column_of(dimension: str) -> str:
    """Return the column, or the part of one, that has a dimension's value."""
    tag = tag_of(dimension)
    return FIELDS[dimension] if tag is None else f"tags[{sql_literal(tag)}]"


def _in(columns: Sequence[str], which: Iterable[Subject]) -> str:
    wanted = ", ".join(
        f"({', '.join(sql_literal(value) for value in subject.values)})"
        for subject in which
    )
    return f"({', '.join(columns)}) IN ({wanted})" if wanted else "false"
