"""From a provider's counts, in which details lie within totals, to disjoint buckets.

Every family says first what its provider counted (`Counted`): all input with the cached
in it, all output with the reasoning in it. What is left over when every detail has been
taken out is text. Pure arithmetic; it knows no provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from taximeter_producers.usage_shapes.bodies import Faulty, Part
from taximeter_schemas.usage import Usage

__all__ = ["Counted", "check_total", "disjoint", "reasoning_is_apart"]

Modal = Mapping[str, int]
"""Tokens by modality: "audio", "image", "video". Text is what is left."""

# Cached tokens of these have a bucket of their own; others stand in the general one.
_CACHED_APART: Final = ("audio", "image")


@dataclass(frozen=True)
class Counted:
    """What a provider counted for one call.

    Attributes:
        input: all input tokens: cached, cache-writing, of every modality.
        output: all output tokens, reasoning included.
        cached: those of the input that were read from a cache.
        cached_by: those of the cached whose modality is stated.
        written: those of the input that were written to a cache.
        written_1h: those of the written that stay for an hour.
        written_12h: those of the written that stay for twelve.
        asked_for: whether the caller asked for the cache that it was read from.
        input_by: the input by modality, cached tokens included.
        reasoning: those of the output that the caller does not see as an answer.
        output_by: the output by modality.
        units: what stands beside input and output, by the names of `Usage`'s fields.
        input_name: the field that `input` comes from, for the words of an error.
        output_name: the same for `output`.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    cached_by: Modal = field(default_factory=dict[str, int])
    written: int = 0
    written_1h: int = 0
    written_12h: int = 0
    asked_for: bool = False
    input_by: Modal = field(default_factory=dict[str, int])
    reasoning: int = 0
    output_by: Modal = field(default_factory=dict[str, int])
    units: Mapping[str, int | Decimal] = field(
        default_factory=dict[str, "int | Decimal"]
    )
    input_name: str = "input"
    output_name: str = "output"

    @property
    def is_text(self) -> bool:
        """Whether nothing but text went in and came out, and no cache was used."""
        cached = self.cached or self.cached_by or self.written
        lasting = self.written_1h or self.written_12h
        modal = self.input_by or self.output_by
        return not (cached or lasting or modal or self.reasoning)


def disjoint(counted: Counted) -> Usage:
    """Return the buckets; they add up to `input` and `output`.

    >>> usage = disjoint(Counted(input=10, cached=4, output=5, reasoning=2))
    >>> usage.text_input_tokens, usage.cache_read_tokens
    (6, 4)
    >>> usage.text_output_tokens, usage.reasoning_output_tokens
    (3, 2)

    Raises:
        Faulty: details exceed what they are details of.
    """
    if counted.is_text:
        buckets: dict[str, int | Decimal] = {
            "text_input_tokens": counted.input,
            "text_output_tokens": counted.output,
        }
    else:
        buckets = _input_buckets(counted) | _output_buckets(counted)
    buckets |= counted.units
    return Usage.model_validate({name: n for name, n in buckets.items() if n})


def _input_buckets(counted: Counted) -> dict[str, int | Decimal]:
    cached_by = _cached_by_modality(counted)
    fresh = {
        modality: tokens - cached_by.get(modality, 0)
        for modality, tokens in counted.input_by.items()
    }
    text = counted.input - counted.cached - counted.written - sum(fresh.values())
    if text < 0:
        raise Faulty(
            counted.input_name,
            f"is {counted.input}, and its details add up to {counted.input - text}",
        )
    apart = {name: cached_by.get(name, 0) for name in _CACHED_APART}
    long = counted.written_1h + counted.written_12h
    read = "cache_read_explicit_tokens" if counted.asked_for else "cache_read_tokens"
    return {
        "text_input_tokens": text,
        **{f"{modality}_input_tokens": tokens for modality, tokens in fresh.items()},
        read: counted.cached - sum(apart.values()),
        **{f"cache_read_{modality}_tokens": n for modality, n in apart.items()},
        "cache_write_5m_tokens": counted.written - long,
        "cache_write_1h_tokens": counted.written_1h,
        "cache_write_12h_tokens": counted.written_12h,
    }


def _cached_by_modality(counted: Counted) -> dict[str, int]:
    """Return the cached tokens by modality, stated or not to be doubted.

    Where more is cached than there is text, the rest can only come from the one
    modality that there is beside it. Of two nobody knows which.
    """
    cached_by = dict(counted.cached_by)
    _check_cached(counted)
    unstated = counted.cached - sum(cached_by.values())
    text = (
        counted.input
        - counted.written
        - sum(
            max(counted.input_by.get(name, 0), cached_by.get(name, 0))
            for name in counted.input_by.keys() | cached_by.keys()
        )
    )
    others = [name for name, n in counted.input_by.items() if n]
    if 0 <= text < unstated and len(others) == 1:
        cached_by[others[0]] = cached_by.get(others[0], 0) + unstated - text
        if cached_by[others[0]] > counted.input_by[others[0]]:
            raise Faulty(
                counted.input_name,
                f"is {counted.input}, of which {counted.cached} cannot be cached",
            )
    return cached_by


def _check_cached(counted: Counted) -> None:
    cached, stated = counted.cached, sum(counted.cached_by.values())
    if stated > cached:
        raise Faulty(
            counted.input_name, f"has {cached} cached, of which {stated} by modality"
        )
    if cached + counted.written > counted.input:
        raise Faulty(
            counted.input_name,
            f"is {counted.input}, less than {cached} read from a cache and "
            f"{counted.written} written to one",
        )
    for name, tokens in counted.cached_by.items():
        if name in counted.input_by and tokens > counted.input_by[name]:
            raise Faulty(
                counted.input_name,
                f"has {counted.input_by[name]} {name} tokens, of which {tokens} cached",
            )
    long = counted.written_1h + counted.written_12h
    if long > counted.written:
        raise Faulty(
            counted.input_name,
            f"has {counted.written} written to a cache, of which "
            f"{long} for an hour or longer",
        )


def _output_buckets(counted: Counted) -> dict[str, int | Decimal]:
    details = {f"{name}_output_tokens": n for name, n in counted.output_by.items()}
    details["reasoning_output_tokens"] = counted.reasoning
    text = counted.output - sum(details.values())
    if text < 0:
        raise Faulty(
            counted.output_name,
            f"is {counted.output}, and its details add up to {counted.output - text}",
        )
    return {"text_output_tokens": text, **details}


def reasoning_is_apart(
    total: int, visible: int, reasoning: int, *, usually: bool
) -> bool:
    """Tell whether reasoning stands beside the output instead of within it.

    The total says so where there is one: `visible` is what input and output add up
    to without it. Otherwise it is what the provider's documentation says (`usually`).

    >>> reasoning_is_apart(22, 15, 7, usually=False)
    True
    >>> reasoning_is_apart(0, 15, 7, usually=False)
    False
    """
    if total == visible + reasoning:
        return reasoning > 0
    return usually and total != visible


def check_total(
    whole: Part, stated: str, total: int, least: int, most: int | None = None
) -> None:
    """Hold a stated total against its parts; 0 is a total that is not stated.

    Raises:
        Faulty: it is less than its parts, or more where all of them are known.
    """
    if total and total < least:
        raise Faulty(whole.name(stated), f"is {total}, less than its parts: {least}")
    if total and most is not None and total > most:
        raise Faulty(whole.name(stated), f"is {total}, more than its parts: {most}")
