"""The prices of a tracker: those that a worker has, or one's own over them."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from taximeter_processors.own_layer import OwnLayer
from taximeter_processors.price_book import litellm_price_book, litellm_price_file
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.usage import INPUT_TOKENS, OTHER_UNITS, OUTPUT_TOKENS, Usage

__all__ = ["Prices", "is_free", "price_book"]

Prices = PriceBook | Path | str | None
"""A price book, a file of own prices (docs/pricing.md), or None: the installed list."""

_TEXT = Usage(text_input_tokens=1, text_output_tokens=1)
_UNITS = (*INPUT_TOKENS, *OUTPUT_TOKENS, *OTHER_UNITS)


def price_book(prices: Prices) -> PriceBook:
    """Return the book that calls are priced by.

    Raises:
        ConfigurationError: the file cannot be used, or no list is installed.
    """
    if isinstance(prices, PriceBook):
        return prices
    return _installed() if prices is None else _with_own(Path(prices))


def is_free(book: PriceBook, provider: str, model: str) -> bool:
    """Tell whether a model is known to cost nothing, whatever it is used for.

    A model without a price is not free.

    >>> tiny = {"litellm_provider": "vllm", "input_cost_per_token": 0,
    ...         "output_cost_per_token": 0}
    >>> book = PriceBook({"vllm/tiny": tiny}, "example-1")
    >>> is_free(book, "vllm", "tiny"), is_free(book, "vllm", "huge")
    (True, False)
    """
    text = book.price_usage(provider, model, "standard", _TEXT)
    if (text.input_pico, text.output_pico) != (0, 0):
        return False
    units = (Usage.model_validate({unit: 1}) for unit in _UNITS)
    priced = (book.price_usage(provider, model, "standard", unit) for unit in units)
    return not any(one.input_pico or one.output_pico for one in priced)


@cache
def _installed() -> PriceBook:
    return litellm_price_book()


def _with_own(path: Path) -> PriceBook:
    from taximeter.own_entries import own_layer  # noqa: PLC0415 - needs pyyaml
    from taximeter.own_prices import parse_own_prices  # noqa: PLC0415

    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read prices: {error}") from None
    file = litellm_price_file()
    listed = file.entries()
    own = parse_own_prices(text, str(path))
    layer = own_layer(own, listed, OwnLayer(), SystemClock().now())
    name = f"{file.price_version}+own-{sha256(text.encode()).hexdigest()[:8]}"
    return PriceBook(listed, name, layer)
