"""Each provider's rule for long requests: one below, exactly at, one above.

The rules are the providers' own words: OpenAI's ">272K input tokens … for the full
request", Google's "prompts <= 200k tokens", xAI's "reaches the threshold", Alibaba's
and ByteDance's tables of "0 < tokens <= 256K". Models are those of the installed list.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from taximeter_processors.model_names import family_of
from taximeter_processors.price_book import litellm_price_file
from taximeter_processors.price_entries import pico_per_unit
from taximeter_processors.pricing import PriceBook

ENTRIES: Final = litellm_price_file().entries()
BOOK: Final = PriceBook(ENTRIES, "v")

EXCEEDS: Final = (
    # provider, model, tokens, as the list spells them
    ("openai", "gpt-6-sol", "272k"),
    ("azure", "gpt-5.4", "272k"),
    ("azure_ai", "grok-4.3", "200k"),
    ("anthropic", "claude-haiku-5-5", "100k"),
    ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", "200k"),
    ("bedrock", "us.openai.gpt-5.6-sol", "272k"),
    ("bedrock_mantle", "openai.gpt-5.6-sol", "272k"),
    ("gemini", "gemini-2.5-pro", "200k"),
    ("vertex_ai", "gemini-2.5-pro", "200k"),
    ("vertex_ai", "claude-haiku-5-5", "100k"),
    ("github_copilot", "gpt-5.4", "272k"),
    ("minimax", "MiniMax-M3", "512k"),
    ("oci", "xai.grok-4.20-0309-reasoning", "200k"),
    ("perplexity", "openai/gpt-5.6-sol", "272k"),
    ("replicate", "google/gemini-3-pro", "200k"),
    ("vercel_ai_gateway", "google/gemini-2.5-pro", "200k"),
)
REACHES: Final = (("xai", "grok-4.20-beta-0309-reasoning", "200k"),)
TABLES: Final = (
    ("dashscope", "qwen-flash"),
    ("qwencloud", "qwen-flash"),
    ("qwen_ai_platform", "qwen-flash"),
    ("volcengine", "doubao-seed-2-0-pro-260215"),
)


def cost(provider: str, model: str, **used: int) -> tuple[int, int]:
    """What a call costs in pico-dollars, in and out."""
    counts: dict[str, Any] = dict(used)
    found = BOOK.price_counts(provider, model, "standard", counts)
    assert found.input_pico is not None
    assert found.output_pico is not None
    return found.input_pico, found.output_pico


def listed(provider: str, model: str) -> dict[str, Any]:
    """What the list says of a model."""
    found = BOOK.price_counts(provider, model, "standard", {})
    assert found.price_match is not None, (provider, model)
    return ENTRIES[found.price_match.partition(" (")[0]]


def rates(fields: dict[str, Any], suffix: str) -> tuple[int, int]:
    """Pico-dollars for a token in and out, where a step may leave one as it was."""
    names = ("input_cost_per_token", "output_cost_per_token")
    stated = [fields.get(f"{name}{suffix}", fields.get(name)) for name in names]
    first, second = (pico_per_unit(price) for price in stated)
    assert first is not None
    assert second is not None
    return int(first), int(second)


@pytest.mark.parametrize(
    ("provider", "model", "spelt", "reached"),
    [(*row, 1) for row in EXCEEDS] + [(*row, 0) for row in REACHES],
)
@pytest.mark.parametrize("cached", [0, 1000])
def test_a_threshold_holds_for_the_whole_request(
    provider: str, model: str, spelt: str, reached: int, cached: int
) -> None:
    """One below, at it, one above; cached tokens count, and output moves as well."""
    fields = listed(provider, model)
    tokens = int(spelt.removesuffix("k")) * 1000
    short, long = rates(fields, ""), rates(fields, f"_above_{spelt}_tokens")
    assert short != long
    for count in (tokens - 1, tokens, tokens + 1):
        inward, outward = short if count < tokens + reached else long
        _, made = cost(
            provider,
            model,
            text_input_tokens=count - cached,
            cache_read_tokens=cached,
            text_output_tokens=10,
        )
        paid, _ = cost(provider, model, text_input_tokens=count)
        assert (paid, made) == (count * inward, 10 * outward), count


@pytest.mark.parametrize(("provider", "model"), TABLES)
def test_a_tier_of_a_table_holds_up_to_its_end(provider: str, model: str) -> None:
    """Each end belongs to the tier that it ends, and the last tier has none."""
    tiers = listed(provider, model)["tiered_pricing"]
    assert len(tiers) > 1
    for tier, following in zip(tiers, [*tiers[1:], tiers[-1]], strict=True):
        end = int(tier["range"][1])
        for count, holds in ((end - 1, tier), (end, tier), (end + 1, following)):
            inward, outward = rates(holds, "")
            found = cost(
                provider, model, text_input_tokens=count, text_output_tokens=10
            )
            assert found == (count * inward, 10 * outward), count


def test_every_provider_with_a_threshold_is_listed_here() -> None:
    """A provider that starts to price long requests needs a line above."""
    stepped = {
        family_of(str(fields["litellm_provider"]))
        for fields in ENTRIES.values()
        if any(name.startswith("input_cost_per_token_above_") for name in fields)
        or any("range" in row for row in fields.get("tiered_pricing") or ())  # type: ignore[attr-defined]
    }
    assert stepped == {row[0] for row in (*EXCEEDS, *REACHES, *TABLES)}
