"""What calls would cost, before they are made: by the book that charges them.

An estimate counts every token that is given: with `max_output_tokens` it is what the
call costs at most, cached input and reasoning aside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from taximeter.price_lookup import PriceList
from taximeter.price_publishing import published_books
from taximeter_processors.price_book import litellm_price_book
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.fields import Count, Name, Tags
from taximeter_schemas.money import usd_from_pico
from taximeter_schemas.topics import Topics
from taximeter_schemas.usage import UNATTRIBUTED, Usage

__all__ = ["Asked", "Estimate", "Estimator", "estimate"]

_MANY: Final = 10**9
_PREFIX: Final = Topics().prefix

CountTokens = Callable[[str, str], int]
"""How many tokens a text is to a model."""


class Asked(BaseModel):
    """Calls that somebody thinks of making, all alike.

    Exactly one of `input_tokens` and `text` says how long each request is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Name
    provider: Name | None = None
    service_tier: Name = "standard"
    input_tokens: Count | None = None
    text: str | None = None
    max_output_tokens: Count = 0
    calls: Annotated[int, Field(ge=1, le=_MANY)] = 1
    user_id: Name | None = None
    project_id: Name | None = None
    tags: Tags = Field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """What such calls cost together; the tokens are those of one of them."""

    model: str
    provider: str
    calls: int
    input_tokens: int
    output_tokens: int
    input_cost_usd: Decimal
    output_cost_usd: Decimal
    cost_usd: Decimal
    price_match: str
    price_version: str


class Estimator:
    """Estimates by one price book.

    Args:
        book: the prices, as calls are charged by them.
        count_tokens: counts a text's tokens.
    """

    def __init__(self, book: PriceBook, count_tokens: CountTokens) -> None:
        self._prices = PriceList(book)
        self._book = book
        self._count_tokens = count_tokens

    @classmethod
    def installed(cls) -> Estimator:
        """Return one with the prices of the installed list."""
        return cls.of(litellm_price_book())

    @classmethod
    def published(cls, bootstrap: str, prefix: str = _PREFIX) -> Estimator:
        """Return one with the prices in force now, those of your own included.

        It asks Kafka once and waits for the answer; what is published later it does
        not know.

        Args:
            bootstrap: Kafka's address.
            prefix: what the names of the installation's topics begin with.

        Raises:
            BrokerUnavailable: no broker answers.
            ConfigurationError: no price list is installed.
        """
        asked = published_books(bootstrap, Topics(prefix=prefix))
        # In a thread, for the caller's may have a running loop already.
        with ThreadPoolExecutor(max_workers=1) as thread:
            books = thread.submit(asyncio.run, asked).result()
        return cls.of(books.book_at(SystemClock().now()))

    @classmethod
    def of(cls, book: PriceBook) -> Estimator:
        """Return one with these prices, which counts texts as litellm does."""
        return cls(book, _litellm_tokens)

    def estimate(self, asked: Asked) -> Estimate:
        """Return what such calls cost.

        Raises:
            ConfigurationError: the length is not given, or no price is known.
        """
        seller = self._prices.seller(asked.model, asked.provider)
        sent = self._input_tokens(asked)
        usage = Usage(
            text_input_tokens=sent, text_output_tokens=asked.max_output_tokens
        )
        names = (seller, asked.model, asked.service_tier)
        whose = asked.project_id or UNATTRIBUTED, asked.tags
        priced = self._book.price_for(*names, usage, *whose)
        if priced.input_pico is None or priced.output_pico is None:
            raise ConfigurationError(
                f"{asked.model!r} has no price a token: it is charged by other units"
            )
        paid = usd_from_pico(priced.input_pico * asked.calls)
        made = usd_from_pico(priced.output_pico * asked.calls)
        return Estimate(
            model=asked.model,
            provider=seller,
            calls=asked.calls,
            input_tokens=sent,
            output_tokens=asked.max_output_tokens,
            input_cost_usd=paid,
            output_cost_usd=made,
            cost_usd=paid + made,
            price_match=priced.price_match or "",
            price_version=priced.price_version,
        )

    def compare(self, asked: Asked, models: Iterable[str]) -> list[Estimate]:
        """Return what the same calls cost with each of these models, and with its own.

        Text is counted anew by each model's tokenizer.

        Raises:
            ConfigurationError: as `estimate`.
        """
        others = (
            asked.model_copy(update={"model": m, "provider": None}) for m in models
        )
        return [self.estimate(each) for each in (asked, *others)]

    def _input_tokens(self, asked: Asked) -> int:
        if (asked.input_tokens is None) == (asked.text is None):
            raise ConfigurationError(
                "an estimate needs the input's length: "
                "either input_tokens or text, and not both"
            )
        if asked.input_tokens is not None:
            return asked.input_tokens
        return self._count_tokens(asked.model, asked.text or "")


def estimate(
    model: str,
    *,
    input_tokens: int | None = None,
    text: str | None = None,
    max_output_tokens: int = 0,
    provider: str | None = None,
    service_tier: str = "standard",
    calls: int = 1,
    prices: Estimator | None = None,
) -> Estimate:
    """Return what calls of a model would cost, at most.

    Nothing is asked over the network; `prices=Estimator.published(…)` does that once.

    Args:
        model: as events name it, or as "provider/model".
        input_tokens: how long each request is; or else `text`.
        text: what would be sent, counted by litellm's tokenizers.
        max_output_tokens: how long each answer may get.
        provider: needed only where several providers sell a model of that name.
        service_tier: as events name it.
        calls: how many such calls.
        prices: by which to estimate; without it by those of the installed list.

    Raises:
        ConfigurationError: no price is known, or the length is not given.
        pydantic.ValidationError: a number is out of range.
    """
    asked = Asked(
        model=model,
        provider=provider,
        service_tier=service_tier,
        input_tokens=input_tokens,
        text=text,
        max_output_tokens=max_output_tokens,
        calls=calls,
    )
    return (prices or _installed()).estimate(asked)


@cache
def _installed() -> Estimator:
    return Estimator.installed()


def _litellm_tokens(model: str, text: str) -> int:
    from taximeter_producers.usage_estimates import (  # noqa: PLC0415 - imports litellm
        estimated_tokens,
    )

    return estimated_tokens(model, text, "")[0]
