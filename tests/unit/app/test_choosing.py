"""Of models that are good enough the price decides; and a sum says how long it may."""

from __future__ import annotations

from decimal import Decimal

import pytest

from taximeter.choosing import choose_model, longest_answer
from taximeter.estimates import Estimator
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.errors import ConfigurationError

ENTRIES: dict[str, dict[str, object]] = {
    name: {
        "litellm_provider": "acme",
        "input_cost_per_token": sent,
        "output_cost_per_token": made,
    }
    for name, sent, made in (
        ("small", "0.000001", "0.000004"),
        ("large", "0.00001", "0.00002"),
        ("thinks", "0.0000005", "0.00004"),
        ("free", "0", "0"),
    )
}
PRICES = Estimator(PriceBook(ENTRIES, "prices-1"), lambda _, text: len(text.split()))


def test_the_cheapest_of_a_tier_is_chosen() -> None:
    """Which one that is depends on how much is sent and how much answered."""
    tier = ["large", "small", "thinks"]
    short = choose_model(tier, input_tokens=1000, prices=PRICES)
    long = choose_model(
        tier, input_tokens=1000, max_output_tokens=1000, prices=PRICES, within_usd=0.01
    )
    assert (short.model, long.model) == ("thinks", "small")
    assert long.cost_usd == Decimal("0.005")


def test_a_call_that_fits_nowhere_is_told() -> None:
    """The error names the cheapest; what has no price is never taken for it."""
    with pytest.raises(ConfigurationError, match=r"small is the cheapest, at 0\.001"):
        choose_model(
            ["large", "small"], input_tokens=1000, within_usd="0.0001", prices=PRICES
        )
    with pytest.raises(ConfigurationError, match="no price is known for 'none'"):
        choose_model(["small", "none"], input_tokens=1, prices=PRICES)
    with pytest.raises(ConfigurationError, match="name the models"):
        choose_model([], input_tokens=1, prices=PRICES)


def test_an_answer_is_as_long_as_the_sum_allows() -> None:
    """One token more would cost more than it."""
    sent = "two words"
    most = longest_answer("small", within_usd="0.01", text=sent, prices=PRICES)
    assert most == 2499
    assert longest_answer("free", within_usd=0, text=sent, prices=PRICES) == 1_000_000
    with pytest.raises(ConfigurationError, match="none of them fits"):
        longest_answer("large", within_usd="0.00001", text=sent, prices=PRICES)
    with pytest.raises(ConfigurationError, match="no amount"):
        longest_answer("large", within_usd="much", text=sent, prices=PRICES)
