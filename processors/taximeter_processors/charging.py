"""From a priced usage event to the charge that goes to the `charges` topic.

Pure. A charge is written as bytes at once: building and validating a model for each
would cost more than pricing it. A test holds these bytes to the models in
`taximeter_schemas.charges`.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, Protocol

from pydantic_core import to_json

from taximeter_processors.pricing import Priced
from taximeter_schemas.charges import UnpricedReason
from taximeter_schemas.money import usd_text
from taximeter_schemas.records import encode_event
from taximeter_schemas.usage import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Usage,
    UsageCorrected,
    UsageEvent,
    UsageRecorded,
)

__all__ = ["Amounts", "ChargeWriter", "Pricer", "amounts_of", "tokens_in"]


class Amounts(NamedTuple):
    """What one usage event adds to spend.

    `cost_pico` is None when there is no price for it: unpriced is not free.
    """

    input_pico: int | None
    output_pico: int | None
    cost_pico: int | None
    tokens: int
    calls: int
    unpriced_reason: UnpricedReason | None
    price_version: str
    price_match: str | None


class Pricer(Protocol):
    """The part of a price book that charging needs."""

    def price_usage(
        self, provider: str, model: str, service_tier: str, usage: Usage
    ) -> Priced:
        """Return what this usage costs."""
        ...


_TOKEN_FIELDS = INPUT_TOKENS + OUTPUT_TOKENS


def tokens_in(usage: Usage) -> int:
    """Return all tokens of a usage; its buckets are disjoint.

    >>> tokens_in(Usage(text_input_tokens=3, cache_read_tokens=2))
    5
    """
    counts = usage.__dict__
    return sum([counts[name] for name in _TOKEN_FIELDS])


def amounts_of(event: UsageEvent, pricer: Pricer) -> Amounts:
    """Price a usage event: what a call cost, or what a correction adds to it."""
    if isinstance(event, UsageCorrected):
        return _difference(event, pricer)
    input_pico, output_pico, reason, version, match = pricer.price_usage(
        event.provider, event.model, event.service_tier, event.usage
    )
    cost = _plus(input_pico, output_pico)
    tokens = tokens_in(event.usage)
    return Amounts(input_pico, output_pico, cost, tokens, 1, reason, version, match)


def _difference(event: UsageCorrected, pricer: Pricer) -> Amounts:
    facts = event.provider, event.model, event.service_tier
    old = pricer.price_usage(*facts, event.old_usage)
    new = pricer.price_usage(*facts, event.new_usage)
    input_pico = _minus(new.input_pico, old.input_pico)
    output_pico = _minus(new.output_pico, old.output_pico)
    return Amounts(
        input_pico,
        output_pico,
        _plus(input_pico, output_pico),
        tokens_in(event.new_usage) - tokens_in(event.old_usage),
        0,
        new.unpriced_reason or old.unpriced_reason,
        new.price_version,
        new.price_match,
    )


def _plus(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _minus(new: int | None, old: int | None) -> int | None:
    return None if new is None or old is None else new - old


class ChargeWriter:
    """Writes the charges of one usage record.

    Args:
        partition: the record's partition of `usage`.
        offset: its offset there.
        recorded_at: when Kafka took it in.
    """

    def __init__(self, partition: int, offset: int, recorded_at: datetime) -> None:
        recorded = to_json(recorded_at).decode()
        self._origin = (
            f'"schema_version":1,"recorded_at":{recorded},'
            f'"source_partition":{partition},"source_offset":{offset},'
            f'"source_position":'
        )

    def write(
        self,
        event: UsageEvent,
        amounts: Amounts,
        position: int,
        encoded: bytes | None = None,
    ) -> bytes:
        """Return the charge as the JSON of `UsagePriced` or `ChargeAdjusted`.

        Args:
            event: what was recorded.
            amounts: what it costs.
            position: its place in the record.
            encoded: the event's own bytes, where they are known.
        """
        head = (
            f"{self._origin}{position},"
            f'"input_cost_usd":{_usd(amounts.input_pico)},'
            f'"output_cost_usd":{_usd(amounts.output_pico)},'
            f'"cost_usd":{_usd(amounts.cost_pico)},'
            f'"unpriced_reason":{_text(amounts.unpriced_reason)},'
            f'"price_version":{_text(amounts.price_version)},'
            f'"price_match":{_text(amounts.price_match)},'
        ).encode()
        body = encoded or encode_event(event)
        if isinstance(event, UsageRecorded):
            return b'{"event_type":"UsagePriced",%b"recorded":%b}' % (head, body)
        why = f'"adjusts":"{event.corrects}","reason":{_text(event.reason)}'.encode()
        return b'{"event_type":"ChargeAdjusted",%b%b,"corrected":%b}' % (
            head,
            why,
            body,
        )


def _usd(pico: int | None) -> str:
    return "null" if pico is None else f'"{usd_text(pico)}"'


@lru_cache(maxsize=4_096)
def _text(known: str | None) -> str:
    # The same few names come again and again.
    return to_json(known).decode()
