"""What holds for every usage and every price."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from taximeter_processors.ladders import price_ladder
from taximeter_processors.price_entries import PriceEntry
from taximeter_processors.pricing import PriceBook, Priced
from taximeter_processors.rates import counts_of
from taximeter_schemas.fields import MAX_COUNT
from taximeter_schemas.usage import INPUT_TOKENS, OTHER_UNITS, OUTPUT_TOKENS, Usage

TOKENS = (*INPUT_TOKENS, *OUTPUT_TOKENS)
PRICE_KEYS = (
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "cache_creation_input_token_cost_above_1hr",
    "cache_read_input_audio_token_cost",
    "input_cost_per_audio_token",
    "input_cost_per_image_token",
    "output_cost_per_audio_token",
    "output_cost_per_image_token",
    "output_cost_per_reasoning_token",
    "input_cost_per_character",
    "input_cost_per_query",
    "output_cost_per_image",
    "ocr_cost_per_page",
)

# Up to 16 places: four more than a pico-dollar has.
amounts = st.decimals(0, Decimal("0.1"), places=16, allow_nan=False)
whole_amounts = st.decimals(0, Decimal("0.1"), places=12, allow_nan=False)
counts = st.integers(0, MAX_COUNT)
token_usages = st.dictionaries(st.sampled_from(TOKENS), counts).map(
    Usage.model_validate
)
any_usages = st.dictionaries(
    st.sampled_from((*TOKENS, *OTHER_UNITS)), st.integers(0, 1000)
).map(Usage.model_validate)


def entries(
    prices: st.SearchStrategy[Decimal], *, complete: bool = True
) -> st.SearchStrategy[dict[str, object]]:
    """Price list entries; complete ones state at least text input and output."""
    needed = (
        ("input_cost_per_token", "output_cost_per_token", "citation_cost_per_token")
        if complete
        else ()
    )
    optional = PRICE_KEYS if complete else (*PRICE_KEYS, "input_cost_per_token")
    return st.fixed_dictionaries(
        dict.fromkeys(needed, prices), optional=dict.fromkeys(optional, prices)
    ).map(lambda found: {"litellm_provider": "acme", **found})


def priced(entry: dict[str, object], usage: Usage) -> Priced:
    """Price a usage in a book of one entry."""
    return PriceBook({"m": entry}, "v").price_usage("acme", "m", "standard", usage)


def only(usage: Usage, name: str) -> Usage:
    """One class of a usage."""
    return Usage.model_validate({name: getattr(usage, name)})


def total(found: Priced) -> int:
    """The whole cost of a priced usage."""
    assert found.input_pico is not None
    assert found.output_pico is not None
    return found.input_pico + found.output_pico


@given(entries(amounts), token_usages)
def test_pricing_adds_up(entry: dict[str, object], usage: Usage) -> None:
    """A call costs what its classes cost one by one, to the last digit."""
    alone = [total(priced(entry, only(usage, name))) for name in TOKENS]
    assert total(priced(entry, usage)) == sum(alone)


@given(entries(whole_amounts), token_usages, token_usages)
def test_two_calls_cost_as_much_as_one_of_both(
    entry: dict[str, object], one: Usage, other: Usage
) -> None:
    """With prices of 12 places nothing is rounded, so splitting changes nothing."""
    both = {name: getattr(one, name) + getattr(other, name) for name in TOKENS}
    together = priced(entry, Usage.model_construct(**both))
    assert total(together) == total(priced(entry, one)) + total(priced(entry, other))


@given(entries(amounts), token_usages, st.sampled_from(TOKENS), counts)
def test_more_tokens_never_cost_less(
    entry: dict[str, object], usage: Usage, name: str, more: int
) -> None:
    """Adding tokens to any class never lowers the cost."""
    larger = usage.model_copy(update={name: getattr(usage, name) + more})
    assert total(priced(entry, larger)) >= total(priced(entry, usage))


@given(entries(amounts, complete=False))
def test_nothing_used_costs_nothing(entry: dict[str, object]) -> None:
    """Empty usage, or usage of explicit zeros, costs 0 at a known model."""
    zeros = Usage.model_validate(dict.fromkeys(TOKENS, 0))
    assert priced(entry, Usage())[:3] == priced(entry, zeros)[:3] == (0, 0, None)


@given(entries(amounts, complete=False), any_usages)
def test_unpriced_is_never_free(entry: dict[str, object], usage: Usage) -> None:
    """Either both amounts and no reason, or a reason and no amount."""
    found = priced(entry, usage)
    if found.unpriced_reason is None:
        assert total(found) >= 0
    else:
        assert found.input_pico is None
        assert found.output_pico is None


@given(entries(amounts, complete=False), any_usages)
def test_money_is_never_a_float(entry: dict[str, object], usage: Usage) -> None:
    """Amounts are int and rates are fractions, for every unit."""
    found = priced(entry, usage)
    assert {type(found.input_pico), type(found.output_pico)} <= {int, type(None)}
    for _, card in price_ladder(PriceEntry("m", entry)):
        rates = [*card.inputs.values(), *card.outputs.values()]
        assert all(type(rate) is Fraction for rate in rates)
        whole = [*card.whole_inputs.values(), *card.whole_outputs.values()]
        assert all(type(rate) is int for rate in whole)


@given(entries(amounts, complete=False), any_usages)
def test_the_quick_way_is_the_rule_s_way(
    entry: dict[str, object], usage: Usage
) -> None:
    """Multiplying whole prices in place gives exactly what the rate card gives."""
    found = priced(entry, usage)
    charged = price_ladder(PriceEntry("m", entry))[0][1].charge(counts_of(usage))
    assert (None if found.unpriced_reason else found[:2]) == charged


@given(entries(amounts), token_usages)
def test_one_rounding_is_at_most_half_a_pico_dollar(
    entry: dict[str, object], usage: Usage
) -> None:
    """The charge of a class lies within half a pico-dollar of its exact price."""
    card = price_ladder(PriceEntry("m", entry))[0][1]
    for name in TOKENS:
        count = getattr(usage, name)
        rate = (card.inputs if name in INPUT_TOKENS else card.outputs)[name]
        charged = total(priced(entry, only(usage, name)))
        assert abs(charged - rate * count) <= Fraction(1, 2)


@given(entries(amounts), amounts, token_usages)
def test_a_long_request_is_charged_by_its_step(
    entry: dict[str, object], above: Decimal, usage: Usage
) -> None:
    """With a threshold, a request costs what one of the two prices alone would cost."""
    stepped = entry | {"input_cost_per_token_above_200k_tokens": above}
    long = sum(getattr(usage, name) for name in INPUT_TOKENS) > 200_000
    flat = entry | {"input_cost_per_token": above} if long else entry
    assert priced(stepped, usage) == priced(flat, usage)
