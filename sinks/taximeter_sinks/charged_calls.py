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
from taximeter_sinks.quack import sql_literal

__all__ = ["FACTS", "CallFilter", "Extent", "calls_query", "extent_query", "stretches"]

_UNITS: Final = tuple(Usage.model_fields)
_STRETCH_ROWS: Final = 50_000

FACTS: Final = (
    "event_id",
    "occurred_us",
    "provider",
    "model",
    "service_tier",
    "region",
    "response_model",
    "duration_ms",
    "image_size",
    "image_quality",
    "video_resolution",
    "search_context_size",
    "max_results",
    "user_id",
    "project_id",
    "tags",
    "price_version",
    "unpriced_reason",
    "input_cost_usd",
    "output_cost_usd",
    "list_cost_usd",
    "adjustments",
    "repricings",
    "said",
)
"""What a row says first; then come the units that are used at all, each once.

`occurred_us` is in microseconds since 1970, `tags` is JSON. The costs, as text, and
the units are the sums of the charge and its adjustments, `price_version` that of the
last re-pricing. `said` is what is known of the call besides, as a JSON object in our
own notation, or empty if that was not asked for.
"""

_PLAIN: Final = FACTS[2:15]

# By what spend is told apart; what is NULL is left out. Text in JSON has no bare
# quotes, so that nothing in it looks like a field.
_SAID: Final = (
    "source",
    "provider",
    "model",
    "operation",
    "service_tier",
    "user_id",
    "project_id",
    "session_id",
    "conversation_id",
    "endpoint",
    "tags",
    "response_model",
    "api_key_hash",
    "region",
    "image_size",
    "image_quality",
    "video_resolution",
    "search_context_size",
    "max_results",
    "status",
)
_MOMENT: Final = "strftime(timezone('UTC', occurred_at), '%Y-%m-%dT%H:%M:%S.%fZ')"
_AS_JSON: Final = (
    f"regexp_replace(to_json(struct_pack(occurred_at := {_MOMENT}, "
    f"{', '.join(f'{name} := {name}' for name in _SAID)}))::VARCHAR, "
    """',"[a-z_]+":null', '', 'g')"""
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
    said: bool,
) -> str:
    """Return the query for the calls of one stretch, in the order of `FACTS` and units.

    A row that an older release wrote may lack the newest units: those are 0.
    """
    start_row, end_row = stretch
    used = "".join(f", coalesce({unit}, 0) AS {unit}" for unit in units)
    added = "".join(f", sum({unit}) AS {unit}" for unit in units)
    both = "".join(f", calls.{unit} + coalesce(later.{unit}, 0)" for unit in units)
    plain = ", ".join(_PLAIN)
    return f"""
        WITH calls AS (
            SELECT event_id, epoch_us(occurred_at) AS occurred_us, {plain},
                to_json(tags)::VARCHAR AS tags, {_AS_JSON if said else "''"} AS said,
                price_version, unpriced_reason,
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
        SELECT calls.event_id::VARCHAR, occurred_us, {plain}, tags,
            coalesce(later.price_version, calls.price_version), unpriced_reason,
            {_total("input_cost_usd")}, {_total("output_cost_usd")},
            {_total("list_cost_usd")},
            coalesce(adjustments, 0), coalesce(repricings, 0), said{both}
        FROM calls LEFT JOIN later ON later.adjusts = calls.event_id
    """  # noqa: S608


def _total(amount: str) -> str:
    both = f"coalesce(calls.{amount}, 0) + coalesce(later.{amount}, 0)"
    return f"({both})::DECIMAL(38, 12)::VARCHAR"


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
