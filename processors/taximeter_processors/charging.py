"""From a priced usage event to the charge that goes to the `charges` topic.

Pure. A charge is written as bytes at once: building and validating a model for each
would cost more than pricing it. A test holds these bytes to the models in
`taximeter_schemas.charges`.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from pydantic_core import to_json

from taximeter_processors.calls import Call, Counting, Repriced
from taximeter_processors.choices import choices_of
from taximeter_processors.circumstances import Circumstances, Occurrence
from taximeter_processors.pricing import Listed, Priced
from taximeter_processors.rates import Counts, counts_of
from taximeter_schemas.charges import UnpricedReason
from taximeter_schemas.money import PICO_PER_USD, usd_text
from taximeter_schemas.usage import (
    OTHER_UNITS,
    ChargedEvent,
    Usage,
    UsageCorrected,
    UsageRecorded,
    UsageRepriced,
)

__all__ = ["Amounts", "ChargeWriter", "Pricer", "amounts_of", "tokens_in"]


class Amounts(NamedTuple):
    """What one usage event adds to spend.

    `cost_pico` is None when there is no price for it: unpriced is not free.
    `unpriced_calls` is how many calls more have no price: 1, 0, or -1 where a
    re-pricing found one. `listed` is what the list says, where that may be something
    else.
    """

    input_pico: int | None
    output_pico: int | None
    cost_pico: int | None
    tokens: int
    calls: int
    unpriced_reason: UnpricedReason | None
    price_version: str
    price_match: str | None
    unpriced_calls: int = 0
    listed: Listed | None = None


class Pricer(Protocol):
    """The part of a price book that charging needs."""

    def price_counts(
        self,
        provider: str,
        model: str,
        service_tier: str,
        counts: Counts,
        call: Circumstances | None = None,
    ) -> Priced:
        """Return what so much of everything costs."""
        ...


_FACTS: Final = b'%b%d,"input_cost_usd":%b,"output_cost_usd":%b,"cost_usd":%b,%b'
_PLAIN_FACTS: Final = (
    b'%b%d,"input_cost_usd":"%d.%012d","output_cost_usd":"%d.%012d",'
    b'"cost_usd":"%d.%012d",%b'
)

_NOT_TOKENS: Final = frozenset(OTHER_UNITS)


def tokens_in(counts: Counts) -> int:
    """Return all tokens that were used; the buckets are disjoint.

    >>> tokens_in({"text_input_tokens": 3, "cache_read_tokens": 2, "pages": 1})
    5
    """
    if _NOT_TOKENS.isdisjoint(counts):
        return int(sum(counts.values()))
    return int(sum(n for name, n in counts.items() if name not in _NOT_TOKENS))


def amounts_of(event: Counting | ChargedEvent, pricer: Pricer) -> Amounts:
    """Price a usage event: what a call cost, or what an adjustment adds to it."""
    # Nearly all are; to ask whether it is one of the models takes as long as a price.
    if type(event) is Call:
        return _charged(event, event.usage, pricer)
    if isinstance(event, _ADJUSTING):
        return _adjustment(event, pricer)
    used = event.usage
    return _charged(event, counts_of(used) if isinstance(used, Usage) else used, pricer)


def _charged(event: Call | UsageRecorded, counts: Counts, pricer: Pricer) -> Amounts:
    input_pico, output_pico, reason, version, match, listed = pricer.price_counts(
        event.provider, event.model, event.service_tier, counts, event
    )
    cost = _plus(input_pico, output_pico)
    tokens = tokens_in(counts)
    unpriced = 1 if cost is None else 0
    return Amounts(
        input_pico,
        output_pico,
        cost,
        tokens,
        1,
        reason,
        version,
        match,
        unpriced,
        listed,
    )


_ADJUSTING: Final = (Repriced, UsageCorrected, UsageRepriced)


def _adjustment(
    event: UsageCorrected | Repriced | UsageRepriced, pricer: Pricer
) -> Amounts:
    if isinstance(event, Repriced):
        return _restated(event)
    if isinstance(event, UsageRepriced):
        return _restated(Repriced.of(event))
    return _difference(event, pricer)


def _restated(event: Repriced) -> Amounts:
    """Return the difference of what a re-pricing states; no price book has a say."""
    input_pico = _pico(event.new_input_cost_usd) - _pico(event.old_input_cost_usd)
    output_pico = _pico(event.new_output_cost_usd) - _pico(event.old_output_cost_usd)
    return Amounts(
        input_pico,
        output_pico,
        input_pico + output_pico,
        0,
        0,
        None,
        event.new_price_version,
        event.price_match,
        -1 if event.old_unpriced_reason else 0,
        _listed_restated(event),
    )


def _listed_restated(event: Repriced) -> Listed | None:
    old, new = event.old_list_cost_usd, event.new_list_cost_usd
    return None if old is None or new is None else Listed(_pico(new) - _pico(old))


def _pico(usd: str) -> int:
    """Return an amount with all its 12 places in pico-dollars.

    >>> _pico("-0.000000000012")
    -12
    """
    return int(usd.replace(".", ""))


def _difference(event: UsageCorrected, pricer: Pricer) -> Amounts:
    facts = event.provider, event.model, event.service_tier
    # The call took as long as it took: its time is no part of a difference.
    call = Occurrence(
        event.occurred_at,
        event.region,
        0,
        event.response_model,
        *choices_of(event),
        project_id=event.project_id,
        tags=event.tags,
    )
    before, after = counts_of(event.old_usage), counts_of(event.new_usage)
    old = pricer.price_counts(*facts, before, call)
    new = pricer.price_counts(*facts, after, call)
    input_pico = _minus(new.input_pico, old.input_pico)
    output_pico = _minus(new.output_pico, old.output_pico)
    return Amounts(
        input_pico,
        output_pico,
        _plus(input_pico, output_pico),
        tokens_in(after) - tokens_in(before),
        0,
        new.unpriced_reason or old.unpriced_reason,
        new.price_version,
        new.price_match,
        listed=_listed_difference(new, old),
    )


def _listed_difference(new: Priced, old: Priced) -> Listed | None:
    if new.listed is None and old.listed is None:
        return None
    return Listed(_minus(_listed_pico(new), _listed_pico(old)))


def _listed_pico(priced: Priced) -> int | None:
    if priced.listed is not None:
        return priced.listed.pico
    return _plus(priced.input_pico, priced.output_pico)


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
            f'"recorded_at":{recorded},'
            f'"source_partition":{partition},"source_offset":{offset},'
            f'"source_position":'
        ).encode()

    def write(
        self,
        event: Counting | ChargedEvent,
        amounts: Amounts,
        position: int,
        encoded: bytes,
    ) -> bytes:
        """Return the charge as the JSON of `UsagePriced` or `ChargeAdjusted`.

        Args:
            event: what was recorded.
            amounts: what it costs.
            position: its place in the record.
            encoded: the event's own bytes.
        """
        facts = self._facts(amounts, position)
        if type(event) is not Call and isinstance(event, _ADJUSTING):
            return b'{"event_type":"ChargeAdjusted",%b,%b:%b}' % (
                facts,
                _cause(event),
                encoded,
            )
        return b'{"event_type":"UsagePriced","schema_version":1,%b,"recorded":%b}' % (
            facts,
            encoded,
        )

    def _facts(self, amounts: Amounts, position: int) -> bytes:
        (
            input_pico,
            output_pico,
            cost_pico,
            _,
            _,
            reason,
            version,
            match,
            _,
            listed,
        ) = amounts
        pricing = _pricing(reason, version, match)
        if listed is not None:
            pricing += _list_cost(listed, cost_pico)
        if (
            cost_pico is None
            or input_pico is None
            or output_pico is None
            or input_pico < 0
            or output_pico < 0
        ):
            costs = _usd(input_pico), _usd(output_pico), _usd(cost_pico)
            return _FACTS % (self._origin, position, *costs, pricing)
        # As `usd_text` writes them, all at once: nearly every charge is such a one.
        return _PLAIN_FACTS % (
            self._origin,
            position,
            input_pico // PICO_PER_USD,
            input_pico % PICO_PER_USD,
            output_pico // PICO_PER_USD,
            output_pico % PICO_PER_USD,
            cost_pico // PICO_PER_USD,
            cost_pico % PICO_PER_USD,
            pricing,
        )


def _list_cost(listed: Listed, cost_pico: int | None) -> bytes:
    """Say what the list says, where it is not what is charged."""
    if listed.pico == cost_pico:
        return b""
    return b',"list_cost_usd":%b' % _usd(listed.pico)


def _cause(event: UsageCorrected | Repriced | UsageRepriced) -> bytes:
    """Return what an adjustment says of its cause, up to the cause's own name."""
    if not isinstance(event, Repriced) and isinstance(event, UsageCorrected):
        why = f'"adjusts":"{event.corrects}","reason":{_text(event.reason)}'
        return f'"schema_version":1,{why},"corrected"'.encode()
    return (
        f'"schema_version":2,"adjusts":"{event.reprices}",'
        f"{_wanted(event.reason, event.old_price_version, event.repriced_by)},"
        '"repriced"'
    ).encode()


@lru_cache(maxsize=4_096)
def _wanted(reason: str, version: str, who: str) -> str:
    # The same few come again and again.
    return (
        f'"reason":{_text(reason)},"old_price_version":{_text(version)},'
        f'"adjusted_by":{_text(who)}'
    )


def _usd(pico: int | None) -> bytes:
    return b"null" if pico is None else f'"{usd_text(pico)}"'.encode()


@lru_cache(maxsize=4_096)
def _pricing(reason: str | None, version: str, match: str | None) -> bytes:
    # The same few come again and again.
    return (
        f'"unpriced_reason":{_text(reason)},"price_version":{_text(version)},'
        f'"price_match":{_text(match)}'
    ).encode()


def _text(known: str | None) -> str:
    return to_json(known).decode()
