"""Observations exported from Langfuse: from its tables, its API or to blob storage.

All of them name the same things, in camelCase or in snake_case. Only generations and
embeddings are calls; spans, and agents that repeat what lies below them, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from taximeter.imports.context import Context, Fields
from taximeter.imports.rows import LeftOut, Refused, Row
from taximeter_producers.attribution import label
from taximeter_producers.litellm_attribution import tags_of
from taximeter_producers.usage_shapes.bodies import Faulty
from taximeter_producers.usage_shapes.counted import Counted, disjoint
from taximeter_schemas.ids import derived_id
from taximeter_schemas.usage import Usage

__all__ = ["events"]

_CALLS: Final = {"GENERATION": "chat", "EMBEDDING": "embedding"}
_PROVIDERS: Final = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "ls_provider",
    "provider",
)
_MODALITIES: Final = ("audio", "image", "video")


def events(row: Row, context: Context) -> Iterator[Fields]:
    """Yield the event of one observation.

    Raises:
        LeftOut: it is no call of a model.
        Refused: a field is missing, or a kind of usage is not known.
    """
    kind = row.required("type").upper()
    if kind not in _CALLS:
        raise LeftOut(f"{kind} is no call of a model")
    model = row.required("providedModelName", "provided_model_name", "model")
    start = row.happened_at("startTime", "start_time")
    yield {
        "event_id": derived_id("import", "langfuse", row.required("id")),
        "occurred_at": start,
        "provider": _provider(row) or context.seller(model),
        "model": model,
        "operation": _CALLS[kind],
        "usage": _usage(row),
        "duration_ms": _duration_ms(row),
        "provider_cost_usd": _cost_usd(row),
        **_outcome(row),
        **_whom(row),
    }


def _provider(row: Row) -> str | None:
    said = row.part("metadata")
    attributes = said.part("attributes")
    return said.text(*_PROVIDERS) or attributes.text(*_PROVIDERS)


def _duration_ms(row: Row) -> int | None:
    start = row.moment("startTime", "start_time")
    end = row.moment("endTime", "end_time")
    if start is None or end is None:
        return None
    return max(round((end - start).total_seconds() * 1000), 0)


def _cost_usd(row: Row) -> Decimal | None:
    stated = row.amount_usd("totalCost", "total_cost", "calculatedTotalCost")
    details = row.part("costDetails", "cost_details")
    return details.amount_usd("total") if stated is None else stated


def _outcome(row: Row) -> Fields:
    failed = (row.text("level") or "").upper() == "ERROR"
    return {"status": "error", "error_type": "unknown"} if failed else {}


def _whom(row: Row) -> Fields:
    said = {
        "user_id": row.text("userId", "user_id"),
        "session_id": row.text("sessionId", "session_id"),
        "trace_id": row.text("traceId", "trace_id"),
        "endpoint": row.text("traceName", "trace_name"),
    }
    tags = tags_of(row.items("tags", "traceTags"))
    environment = row.text("environment")
    named = ({"environment": environment} if environment else {}) | tags
    fields: Fields = {name: text for name, text in said.items() if text is not None}
    return fields | ({"tags": _fitting(named)} if named else {})


def _fitting(tags: Mapping[str, str]) -> dict[str, str]:
    named = {label(name): label(value) for name, value in tags.items()}
    return {name: text for name, text in named.items() if name and text}


def _usage(row: Row) -> Usage:
    """Return the buckets of `usageDetails`, or of the older columns.

    Langfuse keeps whatever kinds of usage it was told. Its own integrations take the
    details out of `input` and `output`; where the stated total is just these two, the
    details lie within them.
    """
    details = row.part("usageDetails", "usage_details")
    told = details if details.cells else row.part("usage")
    counts = {name: n for name in told.cells if (n := told.count(name))}
    if not counts:
        return _from_columns(row)
    total = counts.pop("total", None)
    plain = {name: counts.pop(name, 0) for name in ("input", "output")}
    within = bool(counts) and total == sum(plain.values())
    return _counted(plain, counts, within=within)


def _from_columns(row: Row) -> Usage:
    given = row.count("inputTokens", "promptTokens", "inputUsage") or 0
    made = row.count("outputTokens", "completionTokens", "outputUsage") or 0
    return Usage(text_input_tokens=given, text_output_tokens=made)


def _counted(
    plain: Mapping[str, int], details: Mapping[str, int], *, within: bool
) -> Usage:
    sums: dict[str, int] = {}
    for name, count in details.items():
        kind = _kind(name)
        sums[kind] = sums.get(kind, 0) + count
    given, made = (sum(_of(sums, side).values()) for side in ("input", "output"))
    try:
        return disjoint(
            Counted(
                input=plain["input"] + (0 if within else given),
                output=plain["output"] + (0 if within else made),
                cached=sums.get("input cached", 0),
                written=sums.get("input written", 0) + sums.get("input written 1h", 0),
                written_1h=sums.get("input written 1h", 0),
                input_by=_by_modality(sums, "input"),
                reasoning=sums.get("output reasoning", 0),
                output_by=_by_modality(sums, "output"),
            )
        )
    except Faulty as fault:
        raise Refused(str(fault)) from None


def _of(sums: Mapping[str, int], side: str) -> dict[str, int]:
    return {kind: n for kind, n in sums.items() if kind.startswith(side)}


def _by_modality(sums: Mapping[str, int], side: str) -> dict[str, int]:
    found = {name: sums.get(f"{side} {name}", 0) for name in _MODALITIES}
    return {name: n for name, n in found.items() if n}


def _kind(name: str) -> str:
    """Return what a kind of usage is, by the words in its name.

    >>> _kind("cache_read_input_tokens"), _kind("input_cache_creation_1h")
    ('input cached', 'input written 1h')
    >>> _kind("output_reasoning_tokens"), _kind("output_accepted_prediction_tokens")
    ('output reasoning', 'output text')
    """
    plain = name.lower()
    if "cach" in plain:
        written = "creation" in plain or "write" in plain
        return (
            f"input written{' 1h' if '1h' in plain else ''}"
            if written
            else ("input cached")
        )
    if "reasoning" in plain or "thought" in plain:
        return "output reasoning"
    if "prediction" in plain:
        return "output text"
    side = next((s for s in ("input", "output") if s in plain), None)
    kind = next((k for k in (*_MODALITIES, "text") if k in plain), None)
    if side is None or kind is None:
        raise Refused(f"{name!r} is a kind of usage that is not known")
    return f"{side} {kind}"
