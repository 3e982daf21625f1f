"""The installed litellm's price list, read without litellm."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version

import pytest

from taximeter_processors.price_book import (
    PriceFile,
    litellm_price_book,
    litellm_price_file,
    litellm_version_published,
)
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.money import usd_text
from taximeter_schemas.usage import Usage


@pytest.fixture(scope="module")
def book() -> PriceBook:
    """The real prices."""
    return litellm_price_book()


def test_litellm_is_not_imported() -> None:
    """Reading the prices costs no import of litellm, and so no network."""
    code = (
        "import sys; from taximeter_processors.price_book import litellm_price_book; "
        "litellm_price_book(); sys.exit('litellm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_version_names_release_and_content(book: PriceBook) -> None:
    """A charge's price version tells which litellm and which bytes made it."""
    published = litellm_version_published()
    release = re.escape(version("litellm"))
    assert re.fullmatch(rf"litellm-{release}-[0-9a-f]{{8}}", book.version)
    assert published.price_version == book.version
    assert published.content_hash.startswith(book.version.rpartition("-")[2])
    assert published.models > 4000
    assert published.source.startswith("litellm-")


def test_the_first_version_has_always_been_in_force() -> None:
    """No event can be older than the first price version."""
    assert litellm_version_published().effective_from == datetime(
        2000, 1, 1, tzinfo=UTC
    )


def test_the_same_content_is_the_same_version() -> None:
    """Two readings agree, and one changed byte is another version."""
    one = PriceFile("r", b'{"a": {}}')
    assert one.price_version == PriceFile("r", b'{"a": {}}').price_version
    assert one.price_version != PriceFile("r", b'{"b": {}}').price_version


def test_no_price_is_a_float() -> None:
    """Numbers are read as decimals, down to nested tables."""
    content = b'{"m": {"p": 1.10, "t": [{"p": 3e-07}], "n": 2}}'
    assert PriceFile("r", content).entries() == {
        "m": {"p": Decimal("1.10"), "t": [{"p": Decimal("3E-7")}], "n": 2}
    }


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_broken_list_is_one_clear_error(content: bytes) -> None:
    """What is not an object of models is refused with what to do about it."""
    with pytest.raises(ConfigurationError, match="reinstall"):
        PriceFile("r", content).entries()


@pytest.mark.parametrize(
    ("provider", "model", "usage", "dollars"),
    [
        ("openai", "gpt-4o", {"text_input_tokens": 1000}, "0.002500000000"),
        ("azure", "gpt-4o", {"text_output_tokens": 1000}, "0.010000000000"),
        ("anthropic", "claude-sonnet-4-5", {"cache_read_tokens": 1}, "0.000000300000"),
        (
            "google",
            "gemini-2.5-pro",
            {"cache_read_tokens": 200_001},
            "0.050000250000",
        ),
        ("openai", "tts-1", {"characters": 1000}, "0.015000000000"),
        ("openai", "whisper-1", {"audio_seconds": Decimal("2.5")}, "0.000250000000"),
        ("openai", "sora-2", {"video_seconds": 4}, "0.400000000000"),
        ("mistral", "mistral-ocr-latest", {"pages": 3}, "0.012000000000"),
        ("cohere", "rerank-v3.5", {"queries": 2}, "0.004000000000"),
        ("perplexity", "sonar", {"web_searches": 2}, "0.010000000000"),
    ],
)
def test_real_prices(
    book: PriceBook, provider: str, model: str, usage: dict[str, object], dollars: str
) -> None:
    """Well-known models cost what their providers' price pages say."""
    priced = book.price_usage(provider, model, "standard", Usage.model_validate(usage))
    assert priced.input_pico is not None
    assert priced.output_pico is not None
    assert usd_text(priced.input_pico + priced.output_pico) == dollars


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("acme", "gpt-4o"),
        ("openai", "claude-sonnet-4-5"),
        ("azure", "my-deployment"),
        ("openai", "sample_spec"),
        ("openai", "gpt-4o-2031-01-01"),
        ("openai", ""),
    ],
)
def test_nothing_is_guessed(book: PriceBook, provider: str, model: str) -> None:
    """Another provider's price, or a similar name's, is no price."""
    priced = book.price_usage(provider, model, "standard", Usage(text_input_tokens=1))
    assert priced[:3] == (None, None, "unknown_model")


def test_every_entry_can_be_read(book: PriceBook) -> None:
    """Each of some thousand models, in every service tier, prices or says why not."""
    prices = 0
    for key, fields in litellm_price_file().entries().items():
        provider = str(fields.get("litellm_provider"))
        for tier in ("standard", "batch"):
            priced = book.price_usage(provider, key, tier, Usage(text_input_tokens=7))
            assert (priced.input_pico is None) == (priced.unpriced_reason is not None)
            prices += tier == "standard" and priced.input_pico is not None
    assert prices > 1600
