"""Each pricing rule, by hand-made entries whose sums fit in one's head."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from taximeter_processors.pricing import PriceBook, Priced
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.fields import MAX_COUNT
from taximeter_schemas.usage import Usage, UsageRecorded

MILLION = 1_000_000
DOLLAR = 10**12


def a_price(
    prices: dict[str, object],
    *,
    provider: str = "acme",
    key: str = "acme/model",
    mode: str = "chat",
    tier: str = "standard",
    **usage: Any,  # noqa: ANN401 - counts of any unit
) -> Priced:
    """What one usage costs in a book of one entry."""
    entry = {"litellm_provider": provider, "mode": mode, **prices}
    book = PriceBook({key: entry}, "test-1")
    return book.price_usage(provider, key, tier, Usage.model_validate(usage))


def per_million(bucket: str) -> dict[str, Any]:
    """A million units of one bucket, so that a price per million is the amount."""
    return {bucket: MILLION}


def usd(priced: Priced) -> tuple[Decimal | int, Decimal | int]:
    """The amounts of a priced usage in dollars."""
    assert priced.input_pico is not None
    assert priced.output_pico is not None
    return Decimal(priced.input_pico) / DOLLAR, Decimal(priced.output_pico) / DOLLAR


TEXT: dict[str, object] = {
    "input_cost_per_token": Decimal("1e-6"),
    "output_cost_per_token": Decimal("5e-6"),
}
CACHED = TEXT | {
    "cache_read_input_token_cost": Decimal("1e-7"),
    "cache_creation_input_token_cost": Decimal("2e-6"),
    "cache_creation_input_token_cost_above_1hr": Decimal("3e-6"),
}


def test_each_bucket_has_its_price() -> None:
    """Every token is charged once, in the bucket in which it stands."""
    priced = a_price(
        CACHED,
        text_input_tokens=MILLION,
        cache_read_tokens=MILLION,
        cache_write_5m_tokens=MILLION,
        cache_write_1h_tokens=MILLION,
        text_output_tokens=MILLION,
        reasoning_output_tokens=MILLION,
    )
    assert usd(priced) == (Decimal("6.1"), Decimal(10))
    assert priced.price_match == "acme/model"
    assert priced.price_version == "test-1"
    assert priced.unpriced_reason is None


def test_a_recorded_call_is_priced_by_what_it_says_of_itself() -> None:
    """Provider, model, tier and usage of the event decide, and nothing else does."""
    book = PriceBook({"acme/model": {"litellm_provider": "acme", **TEXT}}, "test-1")
    call = UsageRecorded(
        event_id=UUID(int=1),
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        provider="acme",
        model="model",
        usage=Usage(text_input_tokens=3),
        provider_cost_usd=Decimal(99),
    )
    assert book.price(call)[:2] == (3_000_000, 0)


@pytest.mark.parametrize(
    "bucket",
    [
        "cache_read_tokens",
        "cache_read_audio_tokens",
        "cache_read_image_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "audio_input_tokens",
        "image_input_tokens",
        "video_input_tokens",
    ],
)
def test_input_without_a_price_of_its_own_is_text(bucket: str) -> None:
    """A provider that names no price for it bills it as ordinary input."""
    assert usd(a_price(TEXT, **per_million(bucket))) == (1, 0)


@pytest.mark.parametrize("modality", ["audio", "image", "video", "reasoning"])
def test_output_without_a_price_of_its_own_is_text(modality: str) -> None:
    """A provider that names no price for it bills it as ordinary output."""
    assert usd(a_price(TEXT, **per_million(f"{modality}_output_tokens"))) == (0, 5)


@pytest.mark.parametrize(
    ("key", "bucket", "expected"),
    [
        ("input_cost_per_audio_token", "audio_input_tokens", (7, 0)),
        ("input_cost_per_image_token", "image_input_tokens", (7, 0)),
        ("input_cost_per_video_token", "video_input_tokens", (7, 0)),
        ("cache_read_input_audio_token_cost", "cache_read_audio_tokens", (7, 0)),
        ("cache_read_input_image_token_cost", "cache_read_image_tokens", (7, 0)),
        ("output_cost_per_audio_token", "audio_output_tokens", (0, 7)),
        ("output_cost_per_image_token", "image_output_tokens", (0, 7)),
        ("output_cost_per_video_token", "video_output_tokens", (0, 7)),
        ("output_cost_per_reasoning_token", "reasoning_output_tokens", (0, 7)),
    ],
)
def test_a_stated_price_is_used(
    key: str, bucket: str, expected: tuple[int, int]
) -> None:
    """Where the list states a price for a modality, that is its price."""
    priced = a_price(TEXT | {key: Decimal("7e-6")}, **per_million(bucket))
    assert usd(priced) == expected


def test_a_long_write_without_a_price_is_a_write() -> None:
    """A one-hour cache write costs what a write costs, if nothing else is stated."""
    prices = TEXT | {"cache_creation_input_token_cost": Decimal("2e-6")}
    assert usd(a_price(prices, cache_write_1h_tokens=MILLION)) == (2, 0)


def test_an_explicit_zero_is_a_price() -> None:
    """A free class is free; it does not fall back to another price."""
    prices = TEXT | {"cache_read_input_token_cost": Decimal("0.0")}
    assert a_price(prices, cache_read_tokens=MILLION)[:3] == (0, 0, None)


def test_prices_may_be_whole_numbers_or_text() -> None:
    """An integer or a decimal in quotes is read as exactly what it says."""
    prices = {"input_cost_per_token": 1, "output_cost_per_token": "2.5e-6"}
    priced = a_price(prices, text_input_tokens=2, text_output_tokens=MILLION)
    assert usd(priced) == (2, Decimal("2.5"))


def test_a_float_price_is_refused() -> None:
    """A book with a binary float anywhere, in a tier table too, cannot be made."""
    with pytest.raises(ConfigurationError, match="parse_float=Decimal"):
        a_price({"input_cost_per_token": 1e-6})
    with pytest.raises(ConfigurationError, match="acme/model"):
        a_price({"tiered_pricing": [{"input_cost_per_token": 1e-6}]})


# Unpriced is not free.


def test_an_unknown_model_is_unpriced() -> None:
    """A model that the book does not know costs None, not 0, and says why."""
    book = PriceBook({"acme/model": {"litellm_provider": "acme", **TEXT}}, "test-1")
    priced = book.price_usage("acme", "other", "standard", Usage(text_input_tokens=1))
    assert priced == Priced(None, None, "unknown_model", "test-1", None)
    assert book.price_usage("other", "model", "standard", Usage())[2] == "unknown_model"


@pytest.mark.parametrize("bucket", ["text_output_tokens", "web_searches", "pages"])
def test_a_unit_without_a_price_makes_the_call_unpriced(bucket: str) -> None:
    """One unit without a price leaves the whole call without one."""
    prices: dict[str, object] = {"input_cost_per_token": Decimal("1e-6")}
    priced = a_price(prices, text_input_tokens=1, **per_million(bucket))
    assert priced == Priced(None, None, "unpriced_unit", "test-1", "acme/model")


def test_a_missing_price_matters_only_where_it_is_used() -> None:
    """An embedding model has no output price, and needs none."""
    prices: dict[str, object] = {"input_cost_per_token": Decimal("1e-6")}
    assert usd(a_price(prices, text_input_tokens=MILLION, pages=0)) == (1, 0)


@pytest.mark.parametrize("stated", ["ask us", None, Decimal(-1), True])
def test_what_is_not_an_amount_is_no_price(stated: object) -> None:
    """Text, null, a negative number or a flag in place of a price prices nothing."""
    priced = a_price({"input_cost_per_token": stated}, text_input_tokens=1)
    assert priced.unpriced_reason == "unpriced_unit"


def test_no_usage_costs_nothing() -> None:
    """A failed call that was billed nothing costs 0 at a known model."""
    assert a_price(TEXT)[:3] == (0, 0, None)


# Exactness.


def test_whole_pico_dollars_are_never_rounded() -> None:
    """The largest count that an event may carry is multiplied to the last digit."""
    prices: dict[str, object] = {"input_cost_per_token": Decimal("0.000000123457")}
    assert a_price(prices, text_input_tokens=MAX_COUNT - 1)[0] == 123457 * (10**12 - 1)


@pytest.mark.parametrize(
    ("tokens", "pico"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 2), (7, 4)]
)
def test_finer_prices_round_half_even_once(tokens: int, pico: int) -> None:
    """Half a pico-dollar a token is rounded in the class's sum, to the even side."""
    prices: dict[str, object] = {"input_cost_per_token": Decimal("5e-13")}
    assert a_price(prices, text_input_tokens=tokens)[0] == pico


def test_each_class_is_rounded_by_itself() -> None:
    """Rounding happens in a token class's charge, not in the call's."""
    prices: dict[str, object] = {"input_cost_per_token": Decimal("5e-13")}
    priced = a_price(prices, text_input_tokens=3, cache_read_tokens=3)
    assert priced.input_pico == 2 + 2


# Long requests.

STEPPED = CACHED | {
    "input_cost_per_token_above_200k_tokens": Decimal("2e-6"),
    "output_cost_per_token_above_200k_tokens": Decimal("8e-6"),
}


def test_a_long_request_moves_up_as_a_whole() -> None:
    """One token above the threshold puts every token, output too, on the next step."""
    below = a_price(STEPPED, text_input_tokens=200_000, text_output_tokens=MILLION)
    above = a_price(STEPPED, text_input_tokens=200_001, text_output_tokens=MILLION)
    assert usd(below) == (Decimal("0.2"), 5)
    assert usd(above) == (Decimal("0.400002"), 8)


def test_cached_tokens_count_for_the_threshold() -> None:
    """The threshold is compared with all input: text, cache reads and writes."""
    priced = a_price(STEPPED, text_input_tokens=1, cache_read_tokens=200_000)
    assert usd(priced) == (Decimal("0.020002"), 0)


def test_output_does_not_count_for_the_threshold() -> None:
    """A long answer to a short prompt stays on the first step."""
    assert usd(a_price(STEPPED, text_output_tokens=MILLION)) == (0, 5)


def test_xai_reaches_the_threshold() -> None:
    """At xAI the step begins at the threshold, not above it."""
    key = "xai/grok"
    at = a_price(STEPPED, provider="xai", key=key, text_input_tokens=200_000)
    below = a_price(STEPPED, provider="xai", key=key, text_input_tokens=199_999)
    assert (at.input_pico, below.input_pico) == (400_000_000_000, 199_999_000_000)


def test_the_highest_step_passed_holds() -> None:
    """With several steps the last one below the request's length is used."""
    prices = STEPPED | {"input_cost_per_token_above_500k_tokens": Decimal("4e-6")}
    priced = a_price(prices, text_input_tokens=MILLION, text_output_tokens=MILLION)
    assert usd(priced) == (4, 8)


def test_tiers_of_a_table_replace_each_other() -> None:
    """A tier holds up to and with its end; the last one holds beyond its end."""
    tiers: dict[str, object] = {
        "tiered_pricing": [
            {
                "range": [Decimal(1000), Decimal(2000)],
                "input_cost_per_token": Decimal("3e-6"),
                "output_cost_per_token": Decimal("4e-6"),
            },
            {
                "range": [0, Decimal(1000)],
                "input_cost_per_token": Decimal("1e-6"),
                "output_cost_per_token": Decimal("2e-6"),
                "output_cost_per_reasoning_token": Decimal("9e-6"),
            },
        ]
    }
    assert a_price(tiers, text_input_tokens=1000)[0] == 1_000_000_000
    assert a_price(tiers, text_input_tokens=1001)[0] == 3_003_000_000
    assert a_price(tiers, text_input_tokens=5000)[0] == 15_000_000_000
    assert a_price(tiers, reasoning_output_tokens=1)[1] == 9_000_000
    long = a_price(tiers, cache_read_tokens=2000, reasoning_output_tokens=1)
    assert long[:2] == (6_000_000_000, 4_000_000)


def test_a_tier_without_an_output_price_leaves_the_model_s_own() -> None:
    """Output is never free because a tier table speaks of input only."""
    tiers = TEXT | {
        "tiered_pricing": [{"range": [0, 10], "input_cost_per_token": Decimal("2e-6")}]
    }
    priced = a_price(tiers, text_input_tokens=1, text_output_tokens=1)
    assert priced[:2] == (2_000_000, 5_000_000)


# Service tiers.


@pytest.mark.parametrize(
    ("tier", "suffix"),
    [
        ("batch", "batches"),
        ("flex", "flex"),
        ("balanced", "balanced"),
        ("priority", "priority"),
        ("Priority", "priority"),
        ("fast", "priority"),
        ("ultrafast", "ultrafast"),
    ],
)
def test_a_service_tier_has_its_prices(tier: str, suffix: str) -> None:
    """What the list states for the tier is charged, all else at the standard price."""
    prices = CACHED | {f"input_cost_per_token_{suffix}": Decimal("9e-6")}
    priced = a_price(
        prices, tier=tier, text_input_tokens=MILLION, cache_read_tokens=MILLION
    )
    assert usd(priced) == (Decimal("9.1"), 0)


@pytest.mark.parametrize("tier", ["standard", "default", "auto", "no-such-tier"])
def test_other_tiers_are_standard(tier: str) -> None:
    """A tier that the list does not know is charged at the standard price."""
    prices = TEXT | {"input_cost_per_token_priority": Decimal("9e-6")}
    assert usd(a_price(prices, tier=tier, text_input_tokens=MILLION)) == (1, 0)


def test_a_tier_s_long_requests() -> None:
    """A threshold that only one tier has holds for that tier alone."""
    prices = TEXT | {
        "input_cost_per_token_flex": Decimal("5e-7"),
        "input_cost_per_token_above_200k_tokens_flex": Decimal("7e-7"),
    }
    flex = a_price(prices, tier="flex", text_input_tokens=MILLION)
    standard = a_price(prices, text_input_tokens=MILLION)
    assert usd(flex) == (Decimal("0.7"), 0)
    assert usd(standard) == (1, 0)


def test_a_tier_s_output_price_is_its_reasoning_price() -> None:
    """A standard reasoning price does not undercut a dearer tier's output."""
    prices = TEXT | {
        "output_cost_per_reasoning_token": Decimal("5e-6"),
        "output_cost_per_token_priority": Decimal("8e-6"),
    }
    priced = a_price(prices, tier="priority", reasoning_output_tokens=MILLION)
    assert usd(priced) == (0, 8)


def test_anthropic_s_fast_mode_multiplies() -> None:
    """A stated multiple of fast mode holds for every token of a fast call."""
    prices = CACHED | {"provider_specific_entry": {"us": Decimal("1.1"), "fast": 2}}
    usage: dict[str, Any] = {"text_input_tokens": MILLION, "cache_read_tokens": MILLION}
    assert usd(a_price(prices, tier="fast", **usage)) == (Decimal("2.2"), 0)
    assert usd(a_price(prices, **usage)) == (Decimal("1.1"), 0)


# What providers do their own way.


def test_fireworks_reads_its_cache_at_half_price() -> None:
    """Fireworks bills an unstated cache read at half the input price."""
    priced = a_price(
        TEXT, provider="fireworks_ai", key="fireworks_ai/m", cache_read_tokens=MILLION
    )
    assert usd(priced) == (Decimal("0.5"), 0)


def test_xai_bills_reasoning_as_output() -> None:
    """At xAI a reasoning token costs what an output token costs."""
    prices = TEXT | {"output_cost_per_reasoning_token": Decimal("1e-6")}
    priced = a_price(
        prices, provider="xai", key="xai/grok", reasoning_output_tokens=MILLION
    )
    assert usd(priced) == (0, 5)


SEARCHES: dict[str, object] = {
    "search_context_cost_per_query": {
        "search_context_size_low": Decimal("0.01"),
        "search_context_size_medium": Decimal("0.02"),
        "search_context_size_high": Decimal("0.03"),
    }
}


@pytest.mark.parametrize(
    ("provider", "billed_by", "dollars"),
    [
        ("openai", None, "0.06"),
        ("perplexity", None, "0.03"),
        ("gemini", None, "0.02"),
        ("gemini", "per_query", "0.06"),
    ],
)
def test_web_searches(provider: str, billed_by: str | None, dollars: str) -> None:
    """Medium context, low at Perplexity; Gemini 2 bills once a call, however many."""
    prices = SEARCHES | {"web_search_billing_unit": billed_by}
    priced = a_price(
        prices, provider=provider, key=f"{provider}/{provider}-x", web_searches=3
    )
    assert usd(priced) == (Decimal(dollars), 0)


# What is not counted in tokens.


@pytest.mark.parametrize(
    ("mode", "key", "usage", "expected"),
    [
        ("audio_speech", "input_cost_per_character", {"characters": 10}, (10, 0)),
        ("ocr", "ocr_cost_per_page", {"pages": 2}, (2, 0)),
        ("rerank", "input_cost_per_query", {"queries": 3}, (3, 0)),
        ("image_generation", "output_cost_per_image", {"image_count": 2}, (0, 2)),
        ("image_generation", "input_cost_per_image", {"image_count": 2}, (0, 2)),
        ("embedding", "input_cost_per_image", {"image_count": 2}, (2, 0)),
        (
            "audio_transcription",
            "input_cost_per_second",
            {"audio_seconds": Decimal("1.5")},
            (Decimal("1.5"), 0),
        ),
        ("audio_speech", "output_cost_per_second", {"audio_seconds": 2}, (0, 2)),
        ("embedding", "input_cost_per_audio_per_second", {"audio_seconds": 2}, (2, 0)),
        ("video_generation", "output_cost_per_second", {"video_seconds": 2}, (0, 2)),
        (
            "video_generation",
            "output_cost_per_video_per_second",
            {"video_seconds": 2},
            (0, 2),
        ),
        ("embedding", "input_cost_per_video_per_second", {"video_seconds": 2}, (2, 0)),
    ],
)
def test_other_units(
    mode: str, key: str, usage: dict[str, Any], expected: tuple[object, object]
) -> None:
    """Each unit has its price: output for what is made, input for what is taken."""
    assert usd(a_price({key: 1}, mode=mode, **usage)) == expected


def test_a_fraction_of_a_second_is_rounded_once() -> None:
    """Seconds to the microsecond are priced exactly and rounded at the end."""
    prices: dict[str, object] = {"input_cost_per_second": Decimal("0.0001")}
    seconds = Decimal("0.000001")
    priced = a_price(prices, mode="audio_transcription", audio_seconds=seconds)
    assert priced.input_pico == 100


def test_transcription_is_charged_once_when_two_prices_are_stated() -> None:
    """An entry that states the same second as input and as output means one of them."""
    prices: dict[str, object] = {
        "input_cost_per_second": Decimal("0.5"),
        "output_cost_per_second": Decimal("0.5"),
    }
    priced = a_price(prices, mode="audio_transcription", audio_seconds=2)
    assert usd(priced) == (1, 0)


def test_rented_seconds_price_no_audio() -> None:
    """A chat model's price per second is wall-clock time, which no usage counts."""
    prices: dict[str, object] = {"input_cost_per_second": Decimal("0.01")}
    assert a_price(prices, audio_seconds=1).unpriced_reason == "unpriced_unit"


def test_one_image_counted_twice_is_charged_once() -> None:
    """Generated images are charged by their tokens, if those have their own price."""
    by_count = TEXT | {"output_cost_per_image": Decimal("0.04")}
    by_tokens = by_count | {"output_cost_per_image_token": Decimal("3e-5")}
    usage: dict[str, Any] = {
        "image_count": 1,
        "image_output_tokens": 1000,
        "text_input_tokens": 1000,
    }
    assert usd(a_price(by_tokens, **usage)) == (Decimal("0.001"), Decimal("0.03"))
    assert usd(a_price(by_count, **usage)) == (Decimal("0.001"), Decimal("0.04"))
    assert usd(a_price(TEXT, **usage)) == (Decimal("0.001"), Decimal("0.005"))


def test_an_image_taken_in_is_not_the_image_made() -> None:
    """Editing charges the uploaded image's tokens and the generated image."""
    prices = TEXT | {
        "input_cost_per_image_token": Decimal("2e-6"),
        "output_cost_per_image": Decimal("0.04"),
    }
    priced = a_price(prices, image_count=1, image_input_tokens=MILLION)
    assert usd(priced) == (2, Decimal("0.04"))


def test_text_counted_in_tokens_and_characters_is_charged_once() -> None:
    """Tokens win where they have a price; characters are charged where they don't."""
    prices = TEXT | {"input_cost_per_character": Decimal("1e-6")}
    usage: dict[str, Any] = {"text_input_tokens": 10, "characters": 40}
    assert a_price(prices, **usage)[0] == 10_000_000
    free = prices | {"input_cost_per_token": 0}
    assert a_price(free, **usage)[0] == 40_000_000
