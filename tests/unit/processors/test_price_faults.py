"""A list that is to come into force is read strictly."""

from __future__ import annotations

import json

import pytest

from taximeter_processors.price_book import litellm_price_file
from taximeter_processors.price_faults import is_price, read_price_list
from taximeter_schemas.errors import ConfigurationError

GOOD = {"litellm_provider": "acme", "input_cost_per_token": 1e-6}


def faults(**entry: object) -> list[str]:
    """Return what is wrong with a list of one good model and this one."""
    return read_price_list(json.dumps({"good": GOOD, "m": GOOD | entry}).encode())[1]


def test_the_installed_list_is_good() -> None:
    """What litellm ships has no fault, so that the grammar knows all of its prices."""
    file = litellm_price_file()
    entries, found = read_price_list(file.content)
    assert not found
    assert entries == file.entries()


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"litellm_provider": None}, "litellm_provider is missing"),
        (
            {"input_cost_per_token": "free"},
            "input_cost_per_token is no number: 'free'",
        ),
        ({"input_cost_per_token": True}, "input_cost_per_token is no number: 'True'"),
        ({"output_cost_per_token": -1e-6}, "is negative: -0.000001"),
        ({"output_cost_per_token": "-1e-6"}, "is negative: -1e-6"),
        (
            {"input_cost_per_token_above_200k_words": 1},
            "input_cost_per_token_above_200k_words is no price that is known",
        ),
        ({"input_cost_per_token_turbo": 1}, "turbo is no price that is known"),
        (
            {"tiered_pricing": [{"range": [0, 1], "input_cost_per_token": "x"}]},
            "tiered_pricing.0.input_cost_per_token is no number: 'x'",
        ),
        (
            {"search_context_cost_per_query": {"search_context_size_low": -1}},
            "search_context_cost_per_query.search_context_size_low is negative: -1",
        ),
        (
            {"off_peak_pricing": {"output_cost_per_word": 1}},
            "off_peak_pricing.output_cost_per_word is no price that is known",
        ),
        ({"tiered_pricing": "later"}, "tiered_pricing is no price that is known"),
    ],
)
def test_each_fault_is_named_with_its_model(
    entry: dict[str, object], fault: str
) -> None:
    """The sentence says which model, which field and what stands there."""
    (found,) = faults(**entry)
    assert found.startswith("'m': ")
    assert found.endswith(fault)


@pytest.mark.parametrize(
    "name",
    [
        "cache_creation_input_token_cost_above_12hr_above_272k_tokens_ultrafast",
        "input_cost_per_video_per_second_above_15s_interval",
        "output_cost_per_image_0.5K",
        "output_cost_per_second_1080p",
        "ocr_cost_per_page_batches",
    ],
)
def test_the_grammar_knows_every_part(name: str) -> None:
    """A price is told by its base, its step and its tier."""
    assert is_price(name)
    assert not is_price(f"{name}_or_so")


def test_a_price_may_be_null_zero_or_text() -> None:
    """None of these is a fault: nothing stated, free, and exact text."""
    assert not faults(input_cost_per_token=None, output_cost_per_token=0)
    assert not faults(input_cost_per_token="0.0000001")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"m":{"x":NaN}}', b"\xff"])
def test_what_is_no_list_is_refused(content: bytes) -> None:
    """Neither half a file nor a number that is none comes into force."""
    with pytest.raises(ConfigurationError, match="it is not"):
        read_price_list(content)


def test_an_empty_list_is_no_list() -> None:
    """It would take every price away."""
    assert read_price_list(b"{}")[1] == ["no model stands in it"]
    assert read_price_list(b'{"m": 3}')[1] == ["'m': is not an object"]
