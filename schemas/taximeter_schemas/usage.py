"""What one call consumed, and the events that say so."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from taximeter_schemas.fields import (
    Count,
    Event,
    Hash,
    Moment,
    Name,
    Seconds,
    Tags,
    Usd,
)

__all__ = [
    "INPUT_TOKENS",
    "OTHER_UNITS",
    "OUTPUT_TOKENS",
    "UNATTRIBUTED",
    "ChargedEvent",
    "EmittedEvent",
    "UnpricedReason",
    "Usage",
    "UsageCorrected",
    "UsageEvent",
    "UsageNotUnderstood",
    "UsageRecorded",
    "UsageRepriced",
    "usage_event_adapter",
]

UNATTRIBUTED: Final = "unattributed"

UnpricedReason = Literal["unknown_model", "unpriced_unit"]
"""Why there is no price: no entry for the model, or none for a unit it used."""


class Usage(Event):
    """Disjoint counts: a token stands in exactly one bucket.

    The buckets add up to what the provider counted. Whether a provider's "input"
    includes cached tokens, or its "output" reasoning, is settled by whoever fills
    this in, once; nothing behind it asks again.
    """

    text_input_tokens: Count = 0
    audio_input_tokens: Count = 0
    image_input_tokens: Count = 0
    video_input_tokens: Count = 0
    cache_read_tokens: Count = 0
    cache_read_audio_tokens: Count = 0
    cache_read_image_tokens: Count = 0
    cache_write_5m_tokens: Count = 0
    cache_write_1h_tokens: Count = 0
    text_output_tokens: Count = 0
    audio_output_tokens: Count = 0
    image_output_tokens: Count = 0
    video_output_tokens: Count = 0
    reasoning_output_tokens: Count = 0

    image_count: Count = 0
    characters: Count = 0
    pages: Count = 0
    queries: Count = 0
    web_searches: Count = 0
    audio_seconds: Seconds = Decimal(0)
    video_seconds: Seconds = Decimal(0)

    image_pixels: Count = 0
    output_characters: Count = 0
    annotated_pages: Count = 0
    credits: Count = 0
    maps_queries: Count = 0
    sessions: Count = 0

    cache_read_explicit_tokens: Count = 0
    cache_write_12h_tokens: Count = 0
    citation_tokens: Count = 0
    text_messages: Count = 0


_TOKENS = [name for name in Usage.model_fields if name.endswith("_tokens")]
OUTPUT_TOKENS: Final = tuple(name for name in _TOKENS if "_output_" in name)
INPUT_TOKENS: Final = tuple(name for name in _TOKENS if name not in OUTPUT_TOKENS)
OTHER_UNITS: Final = tuple(name for name in Usage.model_fields if name not in _TOKENS)


class _Call(Event):
    """What every statement about one call says of it.

    `image_size` to `max_results` are what its caller chose besides the model, where
    the price depends on that.
    """

    event_id: UUID
    schema_version: Literal[1] = 1
    occurred_at: Moment
    source: Name = "unknown"
    provider: Name
    model: Name
    operation: Name = "chat"
    service_tier: Name = "standard"

    user_id: Name = UNATTRIBUTED
    project_id: Name = UNATTRIBUTED
    session_id: Name | None = None
    conversation_id: Name | None = None
    endpoint: Name | None = None
    tags: Tags = Field(default_factory=dict)

    response_model: Name | None = None
    response_id: Name | None = None
    api_key_hash: Hash | None = None
    region: Name | None = None
    prompt_hash: Hash | None = None
    trace_id: Hash | None = None
    span_id: Hash | None = None

    image_size: Name | None = None
    image_quality: Name | None = None
    video_resolution: Name | None = None
    search_context_size: Name | None = None
    max_results: Count | None = None


class UsageRecorded(_Call):
    """One billed attempt of one LLM call.

    A retry or a fallback that reached a provider is an event of its own. A failed
    call has `status` "error" and whatever usage the provider billed.
    `provider_cost_usd` is what the provider itself says; it stands beside our
    charge and never replaces it. `reservation_id` is what was reserved for the call
    (docs/reservations.md): its charge takes that one's place.
    """

    event_type: Literal["UsageRecorded"] = "UsageRecorded"
    usage: Usage
    usage_source: Literal["reported", "estimated"] = "reported"
    duration_ms: Count | None = None
    status: Literal["ok", "error"] = "ok"
    error_type: Name | None = None
    provider_cost_usd: Usd | None = None
    reservation_id: UUID | None = None


class UsageCorrected(_Call):
    """The truth about a call whose usage had been recorded otherwise.

    It carries the old usage and the new one, so that the difference can be priced
    without looking anything up. `corrects` is the `event_id` of the event that
    recorded the old usage; `event_id` is the correction's own.
    """

    event_type: Literal["UsageCorrected"]
    corrects: UUID
    old_usage: Usage
    new_usage: Usage
    reason: Name


class UsageRepriced(_Call):
    """What a call has cost so far, and what it costs under another price version.

    Both sides are stated, so that whoever adjusts the charge, now or in a replay,
    looks nothing up and knows no prices. `reprices` is the `event_id` of the call; the
    event's own is `repriced_event_id`. All other fields are those of the call, as far
    as spend is told apart by them. The old amounts are what its charge and all
    adjustments add up to; `old_unpriced_reason` says why there was no price until now,
    if there was none. What the published list says is stated for both, or for neither:
    then it differs by the same amount.
    """

    event_type: Literal["UsageRepriced"]
    reprices: UUID
    status: Literal["ok", "error"] = "ok"
    old_input_cost_usd: Usd
    old_output_cost_usd: Usd
    old_unpriced_reason: UnpricedReason | None = None
    old_price_version: Name
    new_input_cost_usd: Usd
    new_output_cost_usd: Usd
    old_list_cost_usd: Usd | None = None
    new_list_cost_usd: Usd | None = None
    new_price_version: Name
    price_match: Name | None = None
    reason: Name
    repriced_by: Name


class UsageNotUnderstood(_Call):
    """A call was made, and what its provider said of its usage could not be read.

    It is charged nothing. A worker keeps it as a dead letter; whoever finds out what
    it meant sends a `UsageRecorded` in its place, under the same `event_id`.
    `usage_part` is what the answer said of usage, as JSON text, and nothing of what
    was asked or answered; `detail` says what is wrong with it.
    """

    event_type: Literal["UsageNotUnderstood"]
    shape: Name
    detail: Annotated[str, Field(max_length=1024)]
    usage_part: Annotated[str, Field(max_length=16 * 1024)]


UsageEvent = UsageRecorded | UsageCorrected

ChargedEvent = UsageRecorded | UsageCorrected | UsageRepriced
"""What a worker charges, or adjusts a charge by."""

EmittedEvent = UsageRecorded | UsageCorrected | UsageNotUnderstood
"""What an emitter takes; the last is kept for people to look at, not counted."""

usage_event_adapter: Final[TypeAdapter[ChargedEvent]] = TypeAdapter(
    Annotated[
        UsageRecorded | UsageCorrected | UsageRepriced,
        Field(union_mode="left_to_right"),
    ]
)
