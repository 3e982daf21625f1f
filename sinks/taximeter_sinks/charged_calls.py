"""What calls have cost so far, as SQL over `charges`: pure, text in and text out.

A call is one row, with everything that was added to it later beside it: corrections of
its usage and former re-pricings. Rows are read a stretch at a time, by `rowid`: nothing
in `charges` ever changes or moves, so a stretch is the same however long reading takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from taximeter_schemas.usage import Usage
from taximeter_sinks.parsed_charges import SECONDS_UNITS
from taximeter_sinks.sql_text import sql_literal

__all__ = ["FACTS", "CallFilter", "Extent", "calls_query", "extent_query", "stretches"]

_UNITS: Final = tuple(Usage.model_fields)
_STRETCH_ROWS: Final = 50_000

FACTS: Final = (
    "event_id",
    "occurred_us",
    "alike",
    "own",
    "duration_ms",
    "price_version",
    "unpriced_reason",
    "input_cost_usd",
    "output_cost_usd",
    "list_cost_usd",
    "adjustments",
    "repricings",
)
"""What is told of a call first; then come the units that are used at all, each once.

`occurred_us` is in microseconds since 1970. The costs and the units are the sums of
the charge and its adjustments, `price_version` that of the last re-pricing. `alike` is
what many calls say alike, as a JSON object, and `own` what a call says by itself, as
the fields of one, without braces; or nothing, if that was not asked for.
"""

# By what spend is told apart, in two parts: of the first there are few, so that whoever
# reads them need look at each only once. Text in JSON has no bare quotes, so that
# nothing in it looks like a field.
_ALIKE: Final = (
    "source",
    "provider",
    "model",
    "operation",
    "service_tier",
    "project_id",
    "tags",
    "response_model",
    "region",
    "image_size",
    "image_quality",
    "video_resolution",
    "search_context_size",
    "max_results",
    "status",
)
_OWN: Final = (
    "user_id",
    "session_id",
    "conversation_id",
    "endpoint",
    "api_key_hash",
)
_MOMENT: Final = "strftime(timezone('UTC', occurred_at), '%Y-%m-%dT%H:%M:%S.%fZ')"
_ALIKE_FIELDS: Final = ", ".join(f"{name} := {name}" for name in _ALIKE)
_ALIKE_JSON: Final = f"to_json(struct_pack({_ALIKE_FIELDS}))::VARCHAR"
# What is NULL is left out: it makes the text beside it NULL, and that adds nothing.
_OWN_JSON: Final = (
    f"""concat('"occurred_at":"', {_MOMENT}, '"', """
    + ", ".join(f"""',"{name}":' || to_json({name})""" for name in _OWN)
    + ")"
)


class CallFilter(NamedTuple):
    """Which calls: those of `[start, end)`, of these models and providers, or any."""

    start: datetime | None = None
    end: datetime | None = None
    models: Sequence[str] = ()
    providers: Sequence[str] = ()


class Extent(NamedTuple):
    """Where the calls of a filter stand, how many there are, and what they used."""

    first_row: int
    last_row: int
    calls: int
    units: tuple[str, ...]

    @classmethod
    def of(cls, row: Sequence[object]) -> Extent | None:
        """Read the answer to `extent_query`; None if there are no calls."""
        first, last, calls, *used = row
        if not isinstance(first, int) or not isinstance(last, int):
            return None
        units = tuple(
            unit for unit, is_used in zip(_UNITS, used, strict=True) if is_used
        )
        return cls(first, last, int(str(calls)), units)


def extent_query(wanted: CallFilter) -> str:
    """Return the query for an `Extent`."""
    chosen = f"(kind = 'charge'{_conditions(wanted)})"
    used = ", ".join(f"bool_or({unit} <> 0)" for unit in _UNITS)
    return (
        f"SELECT min(rowid) FILTER {_where(chosen)}, max(rowid) FILTER "  # noqa: S608
        f"{_where(chosen)}, count(*) FILTER {_where(chosen)}, {used} "
        f"FROM charges WHERE {chosen} OR kind = 'adjustment'"
    )


def stretches(extent: Extent, rows: int = _STRETCH_ROWS) -> Iterator[tuple[int, int]]:
    """Yield the first row and the row behind the last one of each stretch.

    >>> list(stretches(Extent(5, 11, 3, ()), 4))
    [(5, 9), (9, 13)]
    """
    for start in range(extent.first_row, extent.last_row + 1, rows):
        yield start, start + rows


def calls_query(
    wanted: CallFilter,
    units: Sequence[str],
    stretch: tuple[int, int],
    *,
    own: bool,
) -> str:
    """Return the query for the calls of one stretch: `FACTS` and units.

    A row that an older release wrote may lack the newest units: those are 0.
    """
    start_row, end_row = stretch
    used = "".join(f", coalesce({unit}, 0) AS {unit}" for unit in units)
    added = "".join(f", sum({unit}) AS {unit}" for unit in units)
    return f"""
        WITH calls AS (
            SELECT event_id, epoch_us(occurred_at) AS occurred_us,
                {_ALIKE_JSON} AS alike, {_OWN_JSON if own else "''"} AS own,
                duration_ms, price_version, unpriced_reason,
                input_cost_usd, output_cost_usd, list_cost_usd{used}
            FROM charges WHERE rowid >= {int(start_row)} AND rowid < {int(end_row)}
                AND kind = 'charge'{_conditions(wanted)}
        ), later AS (
            SELECT adjusts, count(*) AS adjustments,
                count(old_price_version) AS repricings,
                arg_max(price_version, recorded_at)
                    FILTER (old_price_version IS NOT NULL) AS price_version,
                sum(input_cost_usd) AS input_cost_usd,
                sum(output_cost_usd) AS output_cost_usd,
                sum(list_cost_usd) AS list_cost_usd{added}
            FROM charges WHERE kind = 'adjustment'
                AND adjusts IN (SELECT event_id FROM calls)
            GROUP BY adjusts
        )
        SELECT calls.event_id::VARCHAR AS event_id, occurred_us, alike, own,
            duration_ms, coalesce(later.price_version, calls.price_version)
                AS price_version,
            unpriced_reason, {_total("input_cost_usd")}, {_total("output_cost_usd")},
            {_total("list_cost_usd")}, coalesce(adjustments, 0) AS adjustments,
            coalesce(repricings, 0) AS repricings{_totals(units)}
        FROM calls LEFT JOIN later ON later.adjusts = calls.event_id
    """  # noqa: S608


def _totals(units: Sequence[str]) -> str:
    kinds = {unit: "DECIMAL(38, 6)" for unit in SECONDS_UNITS}
    return "".join(f", {_total(unit, kinds.get(unit, 'BIGINT'))}" for unit in units)


def _total(name: str, kind: str = "DECIMAL(38, 12)") -> str:
    both = f"coalesce(calls.{name}, 0) + coalesce(later.{name}, 0)"
    return f"({both})::{kind} AS {name}"


def _where(condition: str) -> str:
    return f"(WHERE {condition})"


def _conditions(wanted: CallFilter) -> str:
    bounds = [
        f" AND occurred_at {comparison} TIMESTAMPTZ {sql_literal(moment.isoformat())}"
        for comparison, moment in ((">=", wanted.start), ("<", wanted.end))
        if moment is not None
    ]
    names = [
        f" AND {column} IN ({', '.join(map(sql_literal, values))})"
        for column, values in (("model", wanted.models), ("provider", wanted.providers))
        if values
    ]
    return "".join(bounds + names)
