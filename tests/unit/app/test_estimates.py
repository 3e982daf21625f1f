"""Estimates: the price of calls that nobody has made yet, by the book that charges."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO

import pytest

from taximeter.estimate_files import read_asked
from taximeter.estimates import Asked, Estimator
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.errors import ConfigurationError

ENTRIES: dict[str, dict[str, object]] = {
    "small": {
        "litellm_provider": "acme",
        "input_cost_per_token": "0.000001",
        "output_cost_per_token": "0.000004",
    },
    "acme/long": {
        "litellm_provider": "acme",
        "input_cost_per_token": "0.000001",
        "input_cost_per_token_above_200k_tokens": "0.000002",
        "output_cost_per_token": "0",
    },
    "acme/pages": {"litellm_provider": "acme", "ocr_cost_per_page": "0.01"},
}
ESTIMATOR = Estimator(
    PriceBook(ENTRIES, "prices-1"),
    lambda _, text: len(text.split()),
)


def test_it_is_what_the_calls_would_be_charged() -> None:
    """Each direction to the last digit, and all calls together."""
    found = ESTIMATOR.estimate(
        Asked(model="small", input_tokens=1001, max_output_tokens=10, calls=3)
    )
    assert (found.input_cost_usd, found.output_cost_usd, found.cost_usd) == (
        Decimal("0.003003"),
        Decimal("0.000120"),
        Decimal("0.003123"),
    )
    assert (found.provider, found.price_match, found.price_version) == (
        *("acme", "small", "prices-1"),
    )


def test_a_step_is_that_of_one_call() -> None:
    """Many short calls are not one long one."""
    many = ESTIMATOR.estimate(Asked(model="long", input_tokens=100_000, calls=3))
    one = ESTIMATOR.estimate(Asked(model="long", input_tokens=300_000))
    assert (many.cost_usd, one.cost_usd) == (Decimal("0.3"), Decimal("0.6"))


def test_text_is_counted() -> None:
    """By the tokenizer of the model that would read it."""
    found = ESTIMATOR.estimate(Asked(model="small", text="three words here"))
    assert found.input_tokens == 3


def test_the_same_calls_with_other_models() -> None:
    """The one that is asked about comes first."""
    found = ESTIMATOR.compare(Asked(model="small", input_tokens=5), ["long"])
    assert [each.model for each in found] == ["small", "long"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(model="small"), "either input_tokens or text"),
        (Asked(model="small", text="a", input_tokens=1), "and not both"),
        (Asked(model="none", input_tokens=1), "no price is known for 'none'"),
        (Asked(model="pages", input_tokens=1), "no price a token"),
    ],
)
def test_no_guess(asked: Asked, words: str) -> None:
    """What cannot be priced is said, never free."""
    with pytest.raises(ConfigurationError, match=words):
        ESTIMATOR.estimate(asked)


def test_a_file_of_calls() -> None:
    """CSV with a head line, or JSON lines; empty cells are not said."""
    table = "model,input_tokens,calls,user_id\nsmall,12,3,ada\n\nlong,5,,\n"
    lines = (
        '{"model": "small", "input_tokens": 12, "calls": 3, "user_id": "ada"}\n\n'
        '{"model": "long", "input_tokens": 5}\n'
    )
    said = [
        Asked(model="small", input_tokens=12, calls=3, user_id="ada"),
        Asked(model="long", input_tokens=5),
    ]
    assert read_asked(StringIO(table), "calls.csv") == said
    assert read_asked(StringIO(lines), "calls.jsonl") == said


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("c.csv", "model,input_tokens\nm,many\n", "c.csv, line 2: input_tokens: "),
        ("c.csv", "model,colour\nm,red\n", "c.csv, line 2: colour: Extra inputs"),
        ("c.csv", 'model\n"m', "c.csv, line 1: unexpected end of data"),
        ("c.jsonl", "{}\n", "c.jsonl, line 1: model: Field required"),
        ("c.jsonl", '\n{"model"\n', "c.jsonl, line 2: Expecting"),
        ("c.jsonl", "[1]\n", "c.jsonl, line 1: Input should be"),
        ("c.jsonl", "\n", "holds no calls"),
    ],
)
def test_a_bad_file_is_refused_whole(name: str, text: str, words: str) -> None:
    """The error names the line and the field."""
    with pytest.raises(ConfigurationError, match=words):
        read_asked(StringIO(text), name)
