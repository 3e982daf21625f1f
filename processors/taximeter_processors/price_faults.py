"""What is wrong with a price list, found before it comes into force.

Pure. Reading a price is lenient: what is no price leaves a call unpriced. A list that
is to replace another is read strictly, so that a slip of its maker becomes a refusal
and not a hole in the books. The grammar is that of litellm's list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, cast

from taximeter_processors.price_entries import exact_json, pico_per_unit
from taximeter_schemas.errors import ConfigurationError

__all__ = [
    "StatedPrice",
    "field_faults",
    "is_price",
    "price_faults",
    "read_price_list",
    "stated_prices",
]

_NOT_MODELS: Final = frozenset({"sample_spec", "fallback_generalizations", "rules"})

_LONGEST_NAME: Final = 256
_ABOVE: Final = r"(?:_above_\d+k_tokens)?"
_TIER: Final = r"(?:_(?:batches|flex|balanced|priority|ultrafast|decisions))?"
_PRICES: Final = tuple(
    re.compile(base + _ABOVE + _TIER)
    for base in (
        r"(?:input|output)_cost_per_(?:(?:audio|image|video|reasoning)_)?token",
        r"cache_creation_input(?:_audio|_image)?_token_cost(?:_above_(?:1|12)hr)?",
        r"(?:explicit_)?cache_read_input(?:_audio|_image)?_token_cost",
        r"input_cost_per_token_cache_hit",
        r"citation_cost_per_token",
        r"(?:input|output)_dbu_cost_per_token",
        r"(?:input|output)_cost_per_(?:character|query|request|pixel|text_message)",
        r"(?:input|output)_cost_per_image(?:_(?:\d+|\d+(?:\.\d+)?K))?",
        r"(?:input|output)_cost_per_second(?:_(?:\d+p|\dk))?",
        r"(?:input|output)_cost_per_(?:audio|video)_per_second"
        r"(?:_above_\d+s_interval)?",
        r"cost_per_second",
        r"ocr_cost_per_(?:page|credit)",
        r"annotation_cost_per_page",
        r"code_interpreter_cost_per_session",
        r"computer_use_(?:input|output)_cost_per_1k_tokens",
        r"file_search_cost_per_(?:1k_calls|gb_per_day)",
        r"vector_store_cost_per_gb_per_day",
        r"google_maps_grounding_cost_per_query",
        r"guardrail_cost_per_unit",
        r"search_context_cost_per_query",
    )
)

# Tables in which every value is a price, whatever its name.
_TABLES: Final = frozenset({"search_context_cost_per_query", "guardrail_cost_per_unit"})
# Tables of prices under their own names, beside what says when they hold.
_NESTED: Final = frozenset({"tiered_pricing", "off_peak_pricing"})


class StatedPrice(NamedTuple):
    """A price where it stands in an entry, as it is written there."""

    name: str
    value: object


def read_price_list(content: bytes) -> tuple[dict[str, dict[str, object]], list[str]]:
    """Return the entries of a list, and what is wrong with it: nothing, if it is good.

    Raises:
        ConfigurationError: it is not a JSON object of numbers that are numbers.

    >>> read_price_list(b'{"m": {"input_cost_per_token": -1e-7}, "n": 3}')
    ... # doctest: +NORMALIZE_WHITESPACE
    ({'m': {'input_cost_per_token': Decimal('-1E-7')}},
     ["'m': litellm_provider is missing",
      "'m': input_cost_per_token is negative: -1E-7",
      "'n': is not an object"])
    """
    try:
        found = exact_json(content)
    except ValueError as error:
        raise ConfigurationError(f"it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ConfigurationError("it is not a JSON object of models")
    models = cast("dict[str, object]", found)
    entries = {
        name: cast("dict[str, object]", fields)
        for name, fields in models.items()
        if isinstance(fields, dict)
    }
    faults = list(price_faults(models))
    return entries, faults


def price_faults(models: Mapping[str, object]) -> Iterator[str]:
    """Yield what is wrong with the entries, one sentence a fault."""
    real = {name: m for name, m in models.items() if name not in _NOT_MODELS}
    if not real:
        yield "no model stands in it"
    for name, fields in real.items():
        if not 0 < len(name) <= _LONGEST_NAME:
            yield f"{name[:80]!r}: a name has 1 to {_LONGEST_NAME} characters"
        if not isinstance(fields, dict):
            yield f"{name!r}: is not an object"
            continue
        for fault in _entry_faults(cast("dict[str, object]", fields)):
            yield f"{name!r}: {fault}"


def is_price(name: str) -> bool:
    """Tell whether a field of an entry is a price, by the grammar of its name.

    >>> is_price("input_cost_per_token_above_272k_tokens_flex")
    True
    >>> is_price("input_cost_per_token_above_272k_tokens_flux"), is_price("mode")
    (False, False)
    """
    return any(grammar.fullmatch(name) for grammar in _PRICES)


def stated_prices(fields: Mapping[str, object]) -> Iterator[StatedPrice]:
    """Yield the prices of an entry, those inside its tables too, with their places.

    >>> list(stated_prices({"mode": "chat", "tiered_pricing": [
    ...     {"range": [0, 9], "input_cost_per_token": 1}]}))
    [StatedPrice(name='tiered_pricing.0.input_cost_per_token', value=1)]
    """
    for name, value in fields.items():
        if name in _TABLES and isinstance(value, dict):
            table = cast("dict[str, object]", value)
            for part, price in table.items():
                yield StatedPrice(f"{name}.{part}", price)
        elif is_price(name):
            yield StatedPrice(name, value)
        elif name in _NESTED:
            for place, inner in _tables(value):
                for own in stated_prices(inner):
                    yield StatedPrice(f"{name}.{place}{own.name}", own.value)


def _entry_faults(fields: Mapping[str, object]) -> Iterator[str]:
    provider = fields.get("litellm_provider")
    if not isinstance(provider, str) or not provider:
        yield "litellm_provider is missing"
    yield from field_faults(fields)


def field_faults(fields: Mapping[str, object]) -> Iterator[str]:
    """Yield what is wrong with the prices of one entry.

    >>> list(field_faults({"input_cost_per_token": "cheap", "ocr_cost_per_pge": 1}))
    ... # doctest: +NORMALIZE_WHITESPACE
    ['ocr_cost_per_pge is no price that is known',
     "input_cost_per_token is no number: 'cheap'"]
    """
    for name in _unknown(fields):
        yield f"{name} is no price that is known"
    for name, value in stated_prices(fields):
        if fault := _price_fault(value):
            yield f"{name} {fault}"


def _unknown(fields: Mapping[str, object], place: str = "") -> Iterator[str]:
    """Yield what calls itself a cost, and is none that the grammar has."""
    for name, value in fields.items():
        if name in _NESTED:
            if not isinstance(value, dict | list):
                yield f"{place}{name}"
            for at, table in _tables(value):
                yield from _unknown(table, f"{name}.{at}")
        elif "cost" in name and not is_price(name):
            yield f"{place}{name}"


def _tables(value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    if isinstance(value, dict):
        yield "", cast("dict[str, object]", value)
    elif isinstance(value, list):
        for number, row in enumerate(cast("list[object]", value)):
            if isinstance(row, dict):
                yield f"{number}.", cast("dict[str, object]", row)


def _price_fault(value: object) -> str | None:
    if value is None or pico_per_unit(value) is not None:
        return None
    shown = str(value)[:80]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return f"is negative: {shown}"
    if isinstance(value, str) and pico_per_unit(value.strip().removeprefix("-")):
        return f"is negative: {shown}"
    return f"is no number: {shown!r}"
