"""Where a guard's knowledge comes from: the topics, or the API."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple, Protocol

from taximeter_producers.guard.budget_index import Budgets
from taximeter_producers.guard.freshness import Freshness
from taximeter_producers.guard.standings import Standings
from taximeter_schemas.clock import Clock
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.topics import DEFAULT_PREFIX, Topics

__all__ = ["Feed", "Feeds", "Told", "api_feeds", "topic_feeds"]


class Feed(Protocol):
    """Keeps what a guard knows up to date, in a thread of its own."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """End."""
        ...


class Told(NamedTuple):
    """What a feed tells: budgets, how they stand, and up to when that is all.

    The clock says which periods are over.
    """

    budgets: Budgets
    standings: Standings
    freshness: Freshness
    clock: Clock


Feeds = Callable[[Told], Feed]
"""Makes a feed; a forked child needs one of its own."""


def kafka_of(bootstrap: str | None, topics: Topics | None) -> tuple[str, Topics]:
    """Return Kafka's address and the topics, from the environment if need be.

    Raises:
        ConfigurationError: nothing says where Kafka is.
    """
    address = bootstrap or os.environ.get("TAXIMETER_BOOTSTRAP")
    if not address:
        raise ConfigurationError(
            "nothing says where the budgets are: give BudgetGuard() Kafka's address "
            "or the API's url, or set TAXIMETER_BOOTSTRAP"
        )
    prefix = os.environ.get("TAXIMETER_PREFIX", DEFAULT_PREFIX)
    return address, topics or Topics(prefix=prefix)


def topic_feeds(
    bootstrap: str | None, topics: Topics | None, stale_after: float
) -> Feeds:
    """Return what follows the topics.

    Raises:
        ConfigurationError: nothing says where Kafka is.
    """
    address, named = kafka_of(bootstrap, topics)

    def feed(told: Told) -> Feed:
        # Whoever asks the API needs no client of Kafka.
        from taximeter_producers.guard.kafka import TopicFeed  # noqa: PLC0415

        return TopicFeed(address, named, told, min(1.0, stale_after / 4))

    return feed


def api_feeds(url: str, poll_seconds: float, token: str | None) -> Feeds:
    """Return what asks the API, with the environment's token where none is given.

    Raises:
        ConfigurationError: the token can be none.
    """
    sent = (token or os.environ.get("TAXIMETER_API_TOKEN", "")).strip()
    if not (sent.isascii() and sent.isprintable()):  # it must not come into a log
        raise ConfigurationError("the API's token has characters that no token has")

    def feed(told: Told) -> Feed:
        from taximeter_producers.guard.polling import ApiFeed  # noqa: PLC0415

        return ApiFeed(url, told, poll_seconds, sent)

    return feed
