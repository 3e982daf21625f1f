"""Every priced text model of the list, held against litellm's own cost functions.

litellm multiplies and adds in binary floats. A float carries 15 to 17 significant
digits and litellm adds up a handful of products, so the same rules must agree within
a billionth of the amount, or two pico-dollars where the amount is tiny; a wrong rule
is off by percents. Where we differ on purpose, the row of docs/pricing.md is named.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from taximeter_processors.model_names import family_of
from taximeter_processors.price_book import PriceFile, litellm_price_file
from taximeter_processors.pricing import PriceBook, Priced
from taximeter_schemas.usage import INPUT_TOKENS, OUTPUT_TOKENS, Usage

Theirs = Callable[[str, str, str, Usage], tuple[float, float]]
Sample = tuple[str, str, str, Usage]

TEXT_MODES = ("chat", "responses", "completion")

# Rows 1 to 3 of docs/pricing.md, "Where we differ from litellm".
IGNORES_SERVICE_TIER = frozenset({"fireworks_ai"})
IGNORES_CACHE_AND_LENGTH = frozenset({"perplexity"})


@pytest.fixture(scope="module")
def litellm() -> Iterator[Any]:
    """The library itself, with the price map that it was installed with."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import litellm

        environment.setattr(litellm, "suppress_debug_info", True)
        yield litellm


@pytest.fixture(scope="module")
def list_file() -> PriceFile:
    """The price list that both sides read."""
    return litellm_price_file()


@pytest.fixture(scope="module")
def book(list_file: PriceFile) -> PriceBook:
    """Our side."""
    return PriceBook(list_file.entries(), list_file.price_version)


def their_usage(usage: Usage, tier: str = "standard") -> Any:  # noqa: ANN401 - litellm's own type
    """Our disjoint buckets in litellm's shape, whose totals include their parts."""
    from litellm.types.utils import (
        CacheCreationTokenDetails,
        CompletionTokensDetailsWrapper,
        PromptTokensDetailsWrapper,
    )
    from litellm.types.utils import Usage as TheirUsage

    prompt = sum(getattr(usage, name) for name in INPUT_TOKENS)
    completion = sum(getattr(usage, name) for name in OUTPUT_TOKENS)
    short, long = usage.cache_write_5m_tokens, usage.cache_write_1h_tokens
    return TheirUsage(
        speed="fast" if tier == "fast" else None,
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=PromptTokensDetailsWrapper(
            text_tokens=usage.text_input_tokens,
            audio_tokens=usage.audio_input_tokens,
            image_tokens=usage.image_input_tokens,
            video_tokens=usage.video_input_tokens,
            cached_tokens=usage.cache_read_tokens,
            cache_creation_tokens=short + long,
            cache_creation_token_details=CacheCreationTokenDetails(
                ephemeral_5m_input_tokens=short, ephemeral_1h_input_tokens=long
            ),
        ),
        completion_tokens_details=CompletionTokensDetailsWrapper(
            text_tokens=usage.text_output_tokens,
            reasoning_tokens=usage.reasoning_output_tokens,
            audio_tokens=usage.audio_output_tokens,
        ),
    )


def comparable(key: str, fields: dict[str, object]) -> bool:
    """Whether litellm prices this entry by token, at every hour of the day."""
    by_token = "input_cost_per_token" in fields or "tiered_pricing" in fields
    # Off-peak prices are not covered yet, and litellm reads the wall clock for them.
    by_clock = "off_peak_pricing" in fields
    return fields.get("mode") in TEXT_MODES and by_token and not by_clock


def a_usage(chance: random.Random, provider: str) -> Usage:
    """A usage of up to 1,000, 50,000 or 400,000 tokens a class."""
    most = chance.choice((1_000, 50_000, 400_000))
    odds = {
        "cache_read_tokens": 0.5,
        "cache_write_5m_tokens": 0.4,
        "cache_write_1h_tokens": 0.3,
        "text_output_tokens": 0.9,
        "reasoning_output_tokens": 0.5,
    }
    if provider in IGNORES_CACHE_AND_LENGTH:
        most, odds = 1_000, {"text_output_tokens": 0.9, "reasoning_output_tokens": 0.5}
    counts: dict[str, Any] = {
        name: chance.randrange(most)
        for name, odd in odds.items()
        if chance.random() < odd
    }
    return Usage(text_input_tokens=chance.randrange(1, most), **counts)


def agree(ours: Priced, theirs: tuple[float, float]) -> bool:
    """Whether both sides are the same but for float noise."""
    return all(
        pico is not None and abs(pico - usd * 1e12) <= max(2, 1e-9 * pico)
        for pico, usd in zip(ours[:2], theirs, strict=True)
    )


def samples(list_file: PriceFile, seed: int) -> Iterator[Sample]:
    """One call of every comparable model, half of them in a tier of their own."""
    chance = random.Random(seed)
    for key, fields in list_file.entries().items():
        if comparable(key, fields):
            provider = family_of(str(fields["litellm_provider"]))
            model = key.removeprefix(f"{provider}/")
            tiers = ("standard", "priority", "flex", "fast", "balanced")
            tier = chance.choices(tiers, weights=(4, 1, 1, 1, 1))[0]
            if provider in IGNORES_SERVICE_TIER:
                tier = "standard"
            yield provider, model, tier, a_usage(chance, provider)


def differences(
    litellm: Any,  # noqa: ANN401 - an untyped library
    book: PriceBook,
    calls: Iterator[Sample],
) -> tuple[int, list[str]]:
    """How many calls both sides priced, and those on which they disagree."""
    compared, found = 0, []
    for provider, model, tier, usage in calls:
        try:
            theirs = litellm.cost_per_token(
                model=model,
                custom_llm_provider=provider,
                usage_object=their_usage(usage, tier),
                service_tier=None if tier == "standard" else tier,
            )
        except Exception as error:
            # Some keys of the list litellm itself cannot find by provider and model.
            assert "isn't mapped" in str(error)  # noqa: PT017
            continue
        ours = book.price_usage(provider, model, tier, usage)
        compared += 1
        if not agree(ours, theirs):
            found.append(f"{provider} {model} {tier} {usage!r}: {ours} != {theirs}")
    return compared, found


def test_text_calls_cost_the_same(
    litellm: Any,  # noqa: ANN401
    book: PriceBook,
    list_file: PriceFile,
) -> None:
    """Cached, reasoning, long and tiered calls of every text model agree."""
    compared, found = differences(litellm, book, samples(list_file, seed=7))
    assert not found, "\n".join(found)
    assert compared > 2_500


def test_audio_and_images_cost_the_same(
    litellm: Any,  # noqa: ANN401
    book: PriceBook,
    list_file: PriceFile,
) -> None:
    """Models that price a modality by token agree on audio, images and video."""
    modal = {
        (family_of(str(fields["litellm_provider"])), key)
        for key, fields in list_file.entries().items()
        if comparable(key, fields)
        and any("_audio_token" in name or "_image_token" in name for name in fields)
    }
    chance = random.Random(11)
    calls = (
        (
            provider,
            key.removeprefix(f"{provider}/"),
            "standard",  # row 4: litellm drops a tier's own audio price
            Usage(
                text_input_tokens=chance.randrange(1, 1000),
                audio_input_tokens=chance.randrange(1000),
                image_input_tokens=chance.randrange(1000),
                video_input_tokens=chance.randrange(1000),
                text_output_tokens=chance.randrange(1, 1000),
                audio_output_tokens=chance.randrange(1000),
            ),
        )
        for provider, key in sorted(modal)
    )
    compared, found = differences(litellm, book, calls)
    assert not found, "\n".join(found)
    assert compared > 50


def test_batches_cost_the_same(
    litellm: Any,  # noqa: ANN401
    book: PriceBook,
    list_file: PriceFile,
) -> None:
    """Text in a batch costs what litellm's batch calculator says."""
    from litellm.cost_calculator import batch_cost_calculator

    chance = random.Random(13)
    compared, found = 0, []
    for key, fields in list_file.entries().items():
        stated = {"input_cost_per_token_batches", "output_cost_per_token_batches"}
        if not comparable(key, fields) or not stated <= fields.keys():
            continue
        provider = family_of(str(fields["litellm_provider"]))
        usage = Usage(
            text_input_tokens=chance.randrange(1, 30_000),
            text_output_tokens=chance.randrange(30_000),
        )
        model = key.removeprefix(f"{provider}/")
        theirs = batch_cost_calculator(their_usage(usage), model, provider)
        ours = book.price_usage(provider, model, "batch", usage)
        if ours.price_match != key or theirs == (0.0, 0.0):
            continue  # a twin of another key; a model that litellm cannot find
        compared += 1
        if not agree(ours, theirs):
            found.append(f"{key}: {ours} != {theirs}")
    assert not found, "\n".join(found)
    assert compared > 200
