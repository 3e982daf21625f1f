"""OpenAI's usage reports: saved answers of `/v1/organization/usage/…`.

Ask them with `group_by=model`, and with `project_id`, `user_id`, `batch` and
`service_tier` where you want to know: what is not grouped by is not in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from taximeter.imports.context import Context, Fields
from taximeter.imports.rows import Refused, Row
from taximeter.imports.shares import Bucket, events_of
from taximeter_producers.litellm_operations import STANDARD_TIERS
from taximeter_producers.usage_shapes.bodies import Faulty
from taximeter_producers.usage_shapes.counted import Counted, disjoint

__all__ = ["events"]

Counts = Mapping[str, int]

_GROUPS: Final = (
    "model", "project_id", "user_id", "api_key_id", "batch", "service_tier", "size",
    "source", "api_source",
)  # fmt: skip
_NO_MODEL: Final = "names no model: ask the API for it with group_by=model"
_COSTS: Final = (
    "is a line of costs, not of usage: `taximeter reconcile` holds the ledger "
    "against those"
)


def events(row: Row, context: Context) -> Iterator[Fields]:
    """Yield the events of one result of a bucket.

    Raises:
        LeftOut: nothing was used, or the bucket is not over yet.
        Refused: it is no usage, or does not name the model.
    """
    kind = _kind(row)
    operation, counts_of = _KINDS[kind]
    start, end = row.happened_at("start_time"), row.happened_at("end_time")
    grouped = tuple(f"{name}={row.text(name) or ''}" for name in _GROUPS)
    bucket = Bucket(
        start=start,
        end=end,
        facts=("openai", kind, start.isoformat(), end.isoformat(), *grouped),
        counts=counts_of(row),
        calls=row.count("num_model_requests", "num_sessions") or 0,
        fields=_fields(operation, row),
    )
    yield from events_of(bucket, context.now)


def _kind(row: Row) -> str:
    """Return what is counted: "completions" of "organization.usage.completions.result".

    Raises:
        Refused: it is not usage of a model.
    """
    kind = (row.text("object") or "").removeprefix("organization.")
    if kind.startswith("costs") or row.value("amount") is not None:
        raise Refused(_COSTS)
    name = kind.removeprefix("usage.").removesuffix(".result")
    if name not in _KINDS:
        raise Refused(f"{name or 'a result without `object`'!r} is not billed by calls")
    return name


def _fields(operation: str, row: Row) -> Fields:
    sessions = operation == "container"
    model = operation if sessions else row.text("model")
    if model is None:
        raise Refused(_NO_MODEL)
    key = row.text("api_key_id")
    said: Fields = {
        "provider": "openai",
        "model": model,
        "operation": operation,
        "service_tier": _tier(row),
        "user_id": row.text("user_id"),
        "project_id": row.text("project_id"),
        "image_size": row.text("size"),
        "tags": {"api_key_id": key} if key else {},
    }
    return {name: value for name, value in said.items() if value is not None}


def _tier(row: Row) -> str:
    if row.text("batch") in ("True", "true"):
        return "batch"
    tier = row.text("service_tier") or "standard"
    return "standard" if tier in STANDARD_TIERS else tier


def _tokens(row: Row) -> Counts:
    """Return the buckets; `input_tokens` has the cached in it, of all modalities."""

    def count(name: str) -> int:
        return row.count(name) or 0

    cached = {
        name: n for name in _MODALITIES if (n := count(f"input_cached_{name}_tokens"))
    }
    try:
        usage = disjoint(
            Counted(
                input=count("input_tokens"),
                output=count("output_tokens"),
                cached=count("input_cached_tokens"),
                cached_by=cached,
                written=count("input_cache_write_tokens"),
                input_by={
                    n: c for n in _MODALITIES if (c := count(f"input_{n}_tokens"))
                },
                output_by={
                    n: c for n in _MODALITIES if (c := count(f"output_{n}_tokens"))
                },
                input_name="input_tokens",
                output_name="output_tokens",
            )
        )
    except Faulty as fault:
        raise Refused(str(fault)) from None
    return {name: int(n) for name, n in usage.model_dump(exclude_defaults=True).items()}


def _one(field: str, column: str) -> Callable[[Row], Counts]:
    return lambda row: {field: row.count(column) or 0}


_MODALITIES: Final = ("audio", "image")
_KINDS: Final[Mapping[str, tuple[str, Callable[[Row], Counts]]]] = {
    "completions": ("chat", _tokens),
    "embeddings": ("embedding", _one("text_input_tokens", "input_tokens")),
    "moderations": ("moderation", _one("text_input_tokens", "input_tokens")),
    "images": ("image_generation", _one("image_count", "images")),
    "audio_speeches": ("speech", _one("characters", "characters")),
    "audio_transcriptions": ("transcription", _one("audio_seconds", "seconds")),
    "code_interpreter_sessions": ("container", _one("sessions", "num_sessions")),
}
