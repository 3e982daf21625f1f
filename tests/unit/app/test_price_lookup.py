"""What a model costs, as people ask for it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from taximeter.price_lookup import PriceList
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.errors import ConfigurationError


def _entry(provider: str, price: str = "0.0000025") -> dict[str, object]:
    return {"litellm_provider": provider, "input_cost_per_token": price}


LIST = PriceList(
    PriceBook(
        {
            "gpt-4o": _entry("openai"),
            "azure/gpt-4o": _entry("azure", "0.000003"),
            "a/shared": _entry("a"),
            "b/shared": _entry("b"),
            "gemini/long": _entry("gemini")
            | {"input_cost_per_token_above_200k_tokens": "0.0000050000000000001"},
        },
        "prices-1",
    )
)


def test_the_provider_of_that_very_name_comes_first() -> None:
    """A name that is an entry of its own means that one; the others are told."""
    found = LIST.show("gpt-4o")
    assert (found.provider, found.price_match) == ("openai", "gpt-4o")
    assert found.also_at == ("azure",)
    assert found.resolved == (
        "gpt-4o at openai is entry 'gpt-4o' of prices-1, found by its name"
    )


@pytest.mark.parametrize(
    ("model", "provider", "match"),
    [
        ("gpt-4o", "azure", "azure/gpt-4o"),
        ("azure/gpt-4o", None, "azure/gpt-4o"),
        ("GPT-4o", "azure.ai.openai", "azure/gpt-4o"),
        ("long", None, "gemini/long"),
    ],
)
def test_other_spellings_are_found(
    model: str, provider: str | None, match: str
) -> None:
    """A model is found as an event may name it."""
    assert LIST.show(model, provider).price_match == match


def test_prices_are_exact_and_say_from_where_on() -> None:
    """Each digit of a price counts, and a step says only what it changes."""
    text = [p for p in LIST.show("long").prices if p.unit == "text_input_tokens"]
    assert [(p.above_input_tokens, p.usd_per_unit) for p in text] == [
        (0, Decimal("0.0000025")),
        (200_000, Decimal("0.0000050000000000001")),
    ]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("gpt-4p", "no price is known for 'gpt-4p': close names are gpt-4o"),
        ("shared", "sold by several providers: give --provider, one of a, b"),
        ("zzz", "no price is known for 'zzz'"),
    ],
)
def test_a_model_that_is_not_found_is_said_to_be(model: str, words: str) -> None:
    """The answer names what comes close, or what is missing."""
    with pytest.raises(ConfigurationError) as refused:
        LIST.show(model)
    assert words in str(refused.value)


def test_another_providers_price_is_no_price() -> None:
    """A model of the same name elsewhere is another price."""
    with pytest.raises(ConfigurationError, match="no price is known"):
        LIST.show("gpt-4o", "acme")
