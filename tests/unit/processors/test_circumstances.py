"""Prices that depend on when, where and how long, and names found by what answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from taximeter_processors.circumstances import Occurrence
from taximeter_processors.own_layer import OwnLayer
from taximeter_processors.price_book import litellm_price_book
from taximeter_processors.pricing import PriceBook, Priced
from taximeter_schemas.usage import Usage

MILLION = 1_000_000
DOLLAR = 10**12
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
TEXT: dict[str, object] = {
    "input_cost_per_token": Decimal("2e-6"),
    "output_cost_per_token": Decimal("4e-6"),
}


def a_cost(
    prices: dict[str, object],
    call: Occurrence | None,
    *,
    provider: str = "acme",
    tier: str = "standard",
    tokens: int = MILLION,
    mode: str = "chat",
) -> Decimal | None:
    """What a call of so many input tokens costs in dollars."""
    entry = {"litellm_provider": provider, "mode": mode, **prices}
    book = PriceBook({"m": entry}, "v")
    counts = {"text_input_tokens": tokens}
    found = book.price_counts(provider, "m", tier, counts, call)
    return None if found.input_pico is None else Decimal(found.input_pico) / DOLLAR


OFF_PEAK = TEXT | {
    "cache_read_input_token_cost": Decimal("1e-6"),
    "off_peak_pricing": {
        "input_cost_per_token": Decimal("1e-6"),
        "weekday_timezone": "Asia/Shanghai",
        "windows": [
            {"hours_utc": ["02:00-04:00", "20:00-01:00"], "weekdays": [1]},
            {"hours_utc": "00:00-00:00", "weekdays": ["Sat"]},
        ],
    },
}


@pytest.mark.parametrize(
    ("hours", "dollars"),
    [
        (2, 1),
        (4 - 1 / 3600, 1),
        (2 - 1 / 3600, 2),
        (4, 2),
        (0.5, 1),  # over midnight of UTC, still Monday in Shanghai
        (20, 2),  # Tuesday has begun in Shanghai
        (5 * 24, 1),
        (5 * 24 - 8, 1),  # Friday afternoon of UTC is Saturday in Shanghai
    ],
)
def test_off_peak_hours_are_half_open(hours: float, dollars: int) -> None:
    """From the first second of a window up to its end, on the calendar it names."""
    at = MONDAY + timedelta(hours=hours)
    assert a_cost(OFF_PEAK, Occurrence(at)) == dollars


def test_without_a_time_the_peak_price_holds() -> None:
    """Who asks for a price alone is told the one that is never too low."""
    assert a_cost(OFF_PEAK, None) == 2


def test_off_peak_prices_replace_every_other() -> None:
    """Tiers and long requests have the off-peak price too; output keeps its own."""
    prices = OFF_PEAK | {
        "input_cost_per_token_priority": Decimal("9e-6"),
        "input_cost_per_token_above_200k_tokens": Decimal("8e-6"),
    }
    cheap = Occurrence(MONDAY.replace(hour=3))
    assert a_cost(prices, cheap, tier="priority") == 1
    book = PriceBook({"m": {"litellm_provider": "acme", **OFF_PEAK}}, "v")
    counts = {"cache_read_tokens": MILLION, "text_output_tokens": MILLION}
    assert book.price_counts("acme", "m", "standard", counts, cheap)[:2] == (
        DOLLAR,
        4 * DOLLAR,
    )


UPLIFTS: dict[str, dict[str, Any]] = {
    "openai": {"regional_processing_uplift_multiplier_eu": Decimal("1.1")},
    "vertex_ai": {"regional_endpoint_uplift_multiplier": Decimal("1.1")},
    "anthropic": {"provider_specific_entry": {"us": Decimal("1.1"), "fast": 6}},
}


@pytest.mark.parametrize(
    ("provider", "region", "dollars"),
    [
        ("openai", "eu", "2.2"),
        ("openai", "EU", "2.2"),
        ("openai", "us", "2"),
        ("openai", None, "2"),
        ("vertex_ai", "europe-west1", "2.2"),
        ("vertex_ai", "global", "2"),
        ("vertex_ai", None, "2"),
        ("anthropic", "us", "2.2"),
        ("anthropic", "not_available", "2"),
        ("anthropic", "fast", "2"),
    ],
)
def test_a_region_multiplies_tokens(
    provider: str, region: str | None, dollars: str
) -> None:
    """Where the list states a multiplier for the event's region, and only there."""
    call = Occurrence(MONDAY, region)
    cost = a_cost(TEXT | UPLIFTS[provider], call, provider=provider)
    assert cost == Decimal(dollars)


def test_rented_capacity_costs_its_time() -> None:
    """A price per second alone is for the call's duration; unknown, it is unpriced."""
    prices: dict[str, object] = {"cost_per_second": Decimal("0.5")}
    assert a_cost(prices, Occurrence(MONDAY, duration_ms=1_500)) == Decimal("0.75")
    assert a_cost(prices, Occurrence(MONDAY)) is None
    assert a_cost(prices, None) is None


def test_a_request_costs_its_fee_once() -> None:
    """What is charged by the request is charged beside the tokens."""
    prices = TEXT | {"input_cost_per_request": Decimal("0.005")}
    assert a_cost(prices, None) == Decimal("2.005")


# What answered.

AZURE = PriceBook(
    {
        "azure/gpt-4o": {"litellm_provider": "azure", **TEXT},
        "azure/eu/gpt-4o": {
            "litellm_provider": "azure",
            "input_cost_per_token": Decimal("3e-6"),
            "output_cost_per_token": Decimal("4e-6"),
        },
    },
    "v",
    OwnLayer(aliases={"azure/named": "azure/eu/gpt-4o"}),
)


def at_azure(model: str, **call: Any) -> Priced:  # noqa: ANN401 - its own fields
    """A million input tokens of a deployment."""
    counts = {"text_input_tokens": MILLION}
    occurrence = Occurrence(MONDAY, **call)
    return AZURE.price_counts("azure", model, "standard", counts, occurrence)


@pytest.mark.parametrize(
    ("model", "call", "dollars", "match"),
    [
        ("gpt-4o", {}, 2, "azure/gpt-4o"),
        ("gpt-4o", {"region": "eu"}, 3, "azure/eu/gpt-4o (region eu)"),
        ("gpt-4o", {"region": "westus"}, 2, "azure/gpt-4o"),
        ("ours", {"response_model": "gpt-4o"}, 2, "azure/gpt-4o (response model)"),
        ("named", {"response_model": "gpt-4o"}, 3, "azure/eu/gpt-4o (alias)"),
    ],
)
def test_deployments_are_priced_by_what_is_known(
    model: str, call: dict[str, Any], dollars: int, match: str
) -> None:
    """By the region's entry, by the owner's table, or by the model that answered."""
    found = at_azure(model, **call)
    assert (found.input_pico, found.price_match) == (dollars * DOLLAR, match)


def test_an_unknown_answer_stays_unknown() -> None:
    """A name that nobody lists is unpriced, whatever it looks like."""
    for call in ({}, {"response_model": "gpt-4o-mine"}, {"response_model": "gpt-4o-x"}):
        found = at_azure("gpt-4o-mine", **call)
        assert found.unpriced_reason == "unknown_model"
        assert found.input_pico is None


def test_an_alias_that_means_nothing_finds_nothing() -> None:
    """A list may lose what an alias meant: the call is unpriced, nobody crashes."""
    book = PriceBook({}, "v", OwnLayer(aliases={"azure/x": "azure/gpt-5o"}))
    found = book.price_usage("azure", "x", "standard", Usage())
    assert found.unpriced_reason == "unknown_model"


LISTED = litellm_price_book()


@pytest.mark.parametrize(
    ("provider", "model", "match"),
    [
        ("openai", "ft:gpt-4o-2024-08-06:acme::A1", "fine-tuned"),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", ""),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"
            "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "ARN",
        ),
        (
            "bedrock",
            "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/"
            "amazon.nova-lite-v1:0",
            "ARN",
        ),
        ("bedrock", "converse/amazon.nova-lite-v1:0", "route"),
        ("bedrock", "jp.amazon.nova-lite-v1:0", "inference profile"),
        ("gcp.vertex_ai", "claude-sonnet-4-5-20250929", "date as @"),
        ("anthropic", "claude-sonnet-4-5@20250929", "date as -"),
        (
            "vertex_ai",
            "projects/p/locations/us-east5/publishers/google/models/gemini-2.5-pro",
            "resource name",
        ),
        ("azure", "gpt-4o", ""),
        ("openai", "openai/gpt-4o", ""),
        ("openai", "gpt-4o-2024-08-06", ""),
    ],
)
def test_names_of_the_installed_list(provider: str, model: str, match: str) -> None:
    """Each way of writing a model finds its entry; the charge says by which rule."""
    counts = {"text_input_tokens": 1}
    found = LISTED.price_counts(provider, model, "standard", counts).price_match
    assert found is not None
    assert found.endswith(f" ({match})" if match else found)
    assert ("(" in found) is bool(match)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-2031-01-01"),
        ("openai", "ft:gpt-9:acme::A1"),
        ("bedrock", "global.acme.nothing-v1:0"),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x",
        ),
        ("bedrock", "arn:aws:bedrock:us-east-1:1:provisioned-model/abc"),
        ("azure", "production-chat"),
        ("acme", "gpt-4o"),
    ],
)
def test_no_price_is_guessed(provider: str, model: str) -> None:
    """A name that may mean another price is unknown."""
    found = LISTED.price_counts(provider, model, "standard", {"text_input_tokens": 1})
    assert found.unpriced_reason == "unknown_model"


@pytest.mark.parametrize(
    ("variant", "dollars", "match"),
    [
        (":nitro", 2, "openrouter/deepseek/r1 (variant :nitro)"),
        (":free", 0, "openrouter/deepseek/r1 (free variant)"),
        (":thinking", None, None),
    ],
)
def test_variants_of_openrouter(
    variant: str, dollars: int | None, match: str | None
) -> None:
    """Free ones cost 0, chosen ones the list's price, models of their own nothing."""
    entry = {"litellm_provider": "openrouter", **TEXT}
    book = PriceBook({"openrouter/deepseek/r1": entry}, "v")
    counts = {"text_input_tokens": MILLION}
    model = f"deepseek/r1{variant}"
    found = book.price_counts("openrouter", model, "standard", counts)
    assert found.price_match == match
    assert found.input_pico == (None if dollars is None else dollars * DOLLAR)


# The boundary itself, one below and one above, by each provider's rule.

TIERS = {
    "tiered_pricing": [
        {"range": [0, 200_000], "input_cost_per_token": Decimal("2e-6")},
        {"range": [200_000, 1_000_000], "input_cost_per_token": Decimal("8e-6")},
    ]
}
LONG = TEXT | {"input_cost_per_token_above_200k_tokens": Decimal("8e-6")}


@pytest.mark.parametrize(
    ("provider", "prices", "dear_at_the_boundary"),
    [
        ("openai", LONG, False),
        ("gemini", LONG, False),
        ("vertex_ai", LONG, False),
        ("anthropic", LONG, False),
        ("bedrock", LONG, False),
        ("azure", LONG, False),
        ("xai", LONG, True),
        ("dashscope", TIERS, False),
        ("volcengine", TIERS, False),
    ],
)
def test_the_boundary_itself(
    provider: str, prices: dict[str, object], *, dear_at_the_boundary: bool
) -> None:
    """More than it at nearly everybody, reaching it at xAI: for the whole request."""
    for tokens in (199_999, 200_000, 200_001):
        reached = tokens == 200_000 and dear_at_the_boundary
        rate = 8 if tokens > 200_000 or reached else 2
        cost = a_cost(prices, None, provider=provider, tokens=tokens)
        assert cost == Decimal(tokens * rate) / MILLION
