"""Prices that depend on what the caller chose: size, quality, resolution, results."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from taximeter_processors.charging import amounts_of
from taximeter_processors.circumstances import Occurrence
from taximeter_processors.price_book import litellm_price_book
from taximeter_processors.pricing import PriceBook, Priced
from taximeter_schemas.usage import Usage, UsageCorrected
from tests.builders import NOON, a_usage, an_id

DOLLAR = 10**12
IMAGES: dict[str, Any] = {"litellm_provider": "acme", "mode": "image_generation"}
FAL = IMAGES | {"litellm_provider": "fal_ai"}
BOOK = PriceBook(
    {
        "acme/labelled": IMAGES
        | {"output_cost_per_image": 1, "output_cost_per_image_2K": 2},
        "acme/film": {
            "litellm_provider": "acme",
            "mode": "video_generation",
            "output_cost_per_second": 1,
            "output_cost_per_second_1080p": 2,
            "output_cost_per_second_4k": 4,
        },
        "acme/drawn": IMAGES
        | {"input_cost_per_token": 1, "output_cost_per_image_token": 3},
        "acme/hd/1024-x-512/drawn": IMAGES | {"input_cost_per_pixel": "0.0001"},
        "acme/1024-x-512/drawn": IMAGES | {"input_cost_per_image": 7},
        "acme/standard/512-x-512/only-sized": IMAGES | {"output_cost_per_image": 9},
        "fal_ai/plain": IMAGES
        | {"litellm_provider": "fal_ai", "output_cost_per_image": 5},
        "fal_ai/high/1024-x-768/plain": IMAGES
        | {"litellm_provider": "fal_ai", "output_cost_per_image": 6},
        "fal_ai/high/2048-x-2048/plain": IMAGES
        | {"litellm_provider": "fal_ai", "output_cost_per_image": 8},
        "acme/search": {
            "litellm_provider": "acme",
            "mode": "search",
            "tiered_pricing": [
                {"max_results_range": [26, 100], "input_cost_per_query": 3},
                {"max_results_range": [0, 25], "input_cost_per_query": 1},
            ],
        },
        "acme/asks": {
            "litellm_provider": "acme",
            "mode": "chat",
            "search_context_cost_per_query": {
                "search_context_size_low": 1,
                "search_context_size_medium": 2,
                "search_context_size_high": 3,
            },
        },
    },
    "v",
)


def priced(model: str, used: dict[str, Any], **chosen: object) -> Priced:
    """Price a call with these choices."""
    provider, _, name = model.partition("/")
    choices: dict[str, Any] = chosen
    call = Occurrence(NOON, **choices)
    return BOOK.price_counts(provider, name, "standard", used, call)


def dollars(model: str, used: dict[str, Any], **chosen: object) -> Decimal | None:
    """What a call with these choices costs in all."""
    found = priced(model, used, **chosen)
    if found.input_pico is None or found.output_pico is None:
        return None
    return Decimal(found.input_pico + found.output_pico) / DOLLAR


@pytest.mark.parametrize(
    ("model", "used", "chosen", "cost"),
    [
        ("acme/labelled", {"image_count": 2}, {}, 2),
        ("acme/labelled", {"image_count": 2}, {"image_size": "2k"}, 4),
        ("acme/labelled", {"image_count": 2}, {"image_size": "8K"}, 2),
        ("acme/film", {"video_seconds": 3}, {}, 3),
        ("acme/film", {"video_seconds": 3}, {"video_resolution": "1080P"}, 6),
        ("acme/film", {"video_seconds": 3}, {"video_resolution": "1080x1920"}, 6),
        ("acme/film", {"video_seconds": 3}, {"video_resolution": "3840*2160"}, 12),
        ("acme/film", {"video_seconds": 3}, {"video_resolution": "720p"}, 3),
        ("acme/search", {"queries": 2}, {}, 2),
        ("acme/search", {"queries": 2}, {"max_results": 25}, 2),
        ("acme/search", {"queries": 2}, {"max_results": 26}, 6),
        ("acme/search", {"queries": 2}, {"max_results": 1000}, 6),
        ("acme/asks", {"web_searches": 2}, {}, 4),
        ("acme/asks", {"web_searches": 2}, {"search_context_size": "High"}, 6),
        ("acme/asks", {"web_searches": 2}, {"search_context_size": "auto"}, 4),
    ],
)
def test_a_choice_has_the_price_that_the_list_states(
    model: str, used: dict[str, Any], chosen: dict[str, Any], cost: int
) -> None:
    """What the list tells apart is charged apart; anything else has the plain price."""
    assert dollars(model, used, **chosen) == cost


@pytest.mark.parametrize(
    ("size", "quality", "cost"),
    [
        ("1024x512", None, 7),
        ("1024x512", "auto", 7),
        ("1024 x 512", "HD", Decimal("52.4288")),
        ("1024x512", "low", None),
        ("512x512", None, None),
        (None, "hd", None),
        ("auto", "hd", None),
    ],
)
def test_an_image_has_the_price_of_its_size_and_quality(
    size: str | None, quality: str | None, cost: object
) -> None:
    """By the image, or by its pixels; one that nobody lists is not guessed."""
    chosen = {"image_size": size, "image_quality": quality}
    assert dollars("acme/drawn", {"image_count": 1}, **chosen) == cost


def test_an_image_that_is_billed_by_tokens_is() -> None:
    """A size puts no price in the place of a token's, and nothing is charged twice."""
    used = {"text_input_tokens": 2, "image_output_tokens": 1, "image_count": 1}
    found = priced("acme/drawn", used, image_size="1024x512")
    assert found[:2] == (2 * DOLLAR, 3 * DOLLAR)
    assert found.price_match == "acme/drawn (image as acme/1024-x-512/drawn)"


def test_a_model_that_is_listed_by_size_only_is_found() -> None:
    """The size and the standard quality make the name of its entry."""
    found = priced("acme/only-sized", {"image_count": 1}, image_size="512x512")
    assert found.output_pico == 9 * DOLLAR
    assert found.price_match == "acme/standard/512-x-512/only-sized (image size)"
    assert priced("acme/only-sized", {"image_count": 1}).unpriced_reason == (
        "unknown_model"
    )


@pytest.mark.parametrize(
    ("size", "quality", "cost"),
    [
        (None, None, 5),
        ("1000x800", None, 6),
        ("square_hd", "high", 6),
        ("2000x2000", "auto", 8),
        (None, "high", 6),
        ("2000x2000", "low", 5),
    ],
)
def test_fal_prices_the_nearest_size(
    size: str | None, quality: str | None, cost: int
) -> None:
    """By the number of pixels, of high quality unless another one is stated."""
    chosen = {"image_size": size, "image_quality": quality}
    assert dollars("fal_ai/plain", {"image_count": 1}, **chosen) == cost


def test_a_deployment_is_priced_by_what_answered_and_what_was_chosen() -> None:
    """A private name, the provider's word for the model, and the size: one price."""
    found = litellm_price_book().price_counts(
        "azure",
        "our-pictures",
        "standard",
        {"image_count": 1},
        Occurrence(
            NOON,
            response_model="dall-e-3",
            image_size="1024x1792",
            image_quality="hd",
        ),
    )
    assert found.output_pico is not None
    assert found.price_match == (
        "azure/hd/1024-x-1792/dall-e-3 (image size) (response model)"
    )


def test_a_correction_is_priced_by_the_same_choices() -> None:
    """One image more of 2K costs what one image of 2K costs."""
    facts = a_usage(provider="acme", model="labelled").model_dump(
        include={"event_id", "occurred_at", "provider", "model"}
    )
    corrected = UsageCorrected(
        **facts,
        event_type="UsageCorrected",
        image_size="2K",
        corrects=an_id(),
        old_usage=Usage(image_count=1),
        new_usage=Usage(image_count=2),
        reason="counted again",
    )
    assert amounts_of(corrected, BOOK).cost_pico == 2 * DOLLAR


def test_a_chat_model_without_choices_takes_the_quick_way() -> None:
    """Only models that have such prices are looked up by what was chosen."""
    book = litellm_price_book()
    call = Occurrence(NOON, image_size="1x1", search_context_size="high")
    for _ in range(2):
        book.price_counts(
            "openai", "gpt-4o", "standard", {"text_input_tokens": 1}, call
        )
    assert not book._variants  # pyright: ignore[reportPrivateUsage]


THRESHOLD: dict[str, Any] = {
    "litellm_provider": "acme",
    "input_cost_per_token": 0,
    "input_cost_per_image": 1,
    "input_cost_per_image_above_128k_tokens": 2,
}


@pytest.mark.parametrize(("tokens", "cost"), [(127_999, 1), (128_000, 1), (128_001, 2)])
def test_units_have_thresholds_too(tokens: int, cost: int) -> None:
    """A long request moves the price of an image as it moves that of a token."""
    book = PriceBook({"m": THRESHOLD}, "v")
    used = Usage(text_input_tokens=tokens, image_count=1)
    found = book.price_usage("acme", "m", "standard", used)
    assert found.input_pico == cost * DOLLAR


@pytest.mark.parametrize(
    ("bucket", "stated", "cost"),
    [
        ("cache_write_12h_tokens", "cache_creation_input_token_cost_above_12hr", 5),
        ("cache_write_12h_tokens", "cache_creation_input_token_cost", 5),
        ("cache_read_explicit_tokens", "explicit_cache_read_input_token_cost", 5),
        ("cache_read_explicit_tokens", "cache_read_input_token_cost", 5),
        ("citation_tokens", "citation_cost_per_token", 5),
        ("text_messages", "input_cost_per_text_message", 5),
    ],
)
def test_rarer_classes_have_their_prices(bucket: str, stated: str, cost: int) -> None:
    """Each is charged by its own price, or by that of the class it belongs to."""
    entry = {"litellm_provider": "acme", "input_cost_per_token": 1, stated: cost}
    used = Usage.model_validate({bucket: 1})
    found = PriceBook({"m": entry}, "v").price_usage("acme", "m", "standard", used)
    assert found.input_pico == cost * DOLLAR


def test_citations_are_free_at_perplexity_unless_it_states_a_price() -> None:
    """It bills them for one model; elsewhere nobody knows what they cost."""
    used = Usage(citation_tokens=1)
    for provider, reason in (("perplexity", None), ("acme", "unpriced_unit")):
        entry = {"litellm_provider": provider, "input_cost_per_token": 1}
        book = PriceBook({f"{provider}/m": entry}, "v")
        found = book.price_usage(provider, "m", "standard", used)
        assert found.unpriced_reason == reason
