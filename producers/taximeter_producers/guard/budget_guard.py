"""What programs hold: asks the budgets before each call, and never waits for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from taximeter_producers import exits
from taximeter_producers.attribution import current_attribution, label
from taximeter_producers.guard.asked import Money, asked_for
from taximeter_producers.guard.budget_index import Budgets
from taximeter_producers.guard.feeds import (
    Feed,
    Feeds,
    Told,
    api_feeds,
    kafka_of,
    topic_feeds,
)
from taximeter_producers.guard.freshness import Freshness
from taximeter_producers.guard.outcomes import Outcomes, ignoring
from taximeter_producers.guard.standings import Standings
from taximeter_producers.guard.verdicts import (
    Decision,
    Knowledge,
    WhenUnknown,
    verdict,
)
from taximeter_schemas.clock import Clock, SystemClock
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.topics import Topics

if TYPE_CHECKING:
    from taximeter_producers.reservations import Reservations, Reserving, Whom

__all__ = ["BudgetGuard", "GuardStats"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GuardStats:
    """What a guard knows, and what it has said so far.

    `age_seconds` is how old its knowledge is, None if it has none yet. `outcomes`
    counts by the reason of the decision, and what was refused as "exceeded" and
    "unknown_refused"; calls that nothing was said of are not counted.
    """

    budgets: int = 0
    statuses: int = 0
    age_seconds: float | None = None
    outcomes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


class BudgetGuard:
    """Says before a call whether the budgets let it be made.

    It keeps budgets and their statuses in memory, from the topics or from the API, and
    answers from there. It is soft: what calls cost is known when they are charged, a
    second or so after they end (docs/guards.md). Making one needs neither broker nor
    API. Usable from any thread, from sync and async code, and after a fork.

    Args:
        bootstrap: Kafka's address; without it, and without a `url`, what
            `TAXIMETER_BOOTSTRAP` says.
        topics: names of the topics.
        url: the API's address, to ask it instead of Kafka.
        token: the API's token, which may `read`; without it, what
            `TAXIMETER_API_TOKEN` says.
        poll_seconds: how often the API is asked.
        stale_after: seconds without news of Kafka or the API after which nobody knows
            how budgets stand; then each one's `when_unknown` holds.
        when_unknown: what holds as long as the budgets themselves are not known.
        source: the program's name in its events, for budgets of a source.
        clock: says which periods are over.
        reservations: what `reserve` hands on to, instead of a client of its own.
        feed: makes what keeps the knowledge up to date, instead of Kafka or the API.

    Raises:
        ConfigurationError: nothing says where Kafka or the API is.
    """

    def __init__(  # noqa: PLR0913 - settings, each with a default
        self,
        bootstrap: str | None = None,
        topics: Topics | None = None,
        *,
        url: str | None = None,
        token: str | None = None,
        poll_seconds: float = 5.0,
        stale_after: float = 30.0,
        when_unknown: WhenUnknown = "fail_open",
        source: str | None = None,
        clock: Clock | None = None,
        reservations: Reservations | None = None,
        feed: Feeds | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._stale_after = stale_after
        self._when_unknown: WhenUnknown = when_unknown
        self._source = source
        self._reservations = reservations
        self._url, self._kafka = url, (bootstrap, topics)
        if feed is None:
            feed = (
                api_feeds(url, poll_seconds, token)
                if url is not None
                else topic_feeds(bootstrap, topics, stale_after)
            )
        self._feeds = feed
        self._closed = False
        self._begin()
        exits.watch(self, sigterm=False)
        self._running()

    def check(  # noqa: PLR0913 - all that a call can say of itself
        self,
        *,
        user: object = None,
        model: object = None,
        project: object = None,
        session: object = None,
        endpoint: object = None,
        provider: object = None,
        source: object = None,
        api_key_hash: object = None,
        tags: Mapping[str, object] | None = None,
        estimate_usd: Money | None = None,
        estimate_tokens: int | None = None,
        ignore_budget: str | None = None,
    ) -> Decision:
        """Return which model may be called; microseconds, from memory.

        What is not said here is taken from the `attribute(...)` blocks around; a budget
        about something that nobody says is not asked. Without an estimate a call is
        stopped when a limit has been reached, with one already when it would be passed.
        An `estimate_usd` of 0 says that the call is free: no limit in USD stops it.

        Args:
            user: whose call it is, and so on, by the names of the event.
            model: as the event names it, or "provider/model".
            project: what for.
            session: in which session.
            endpoint: of the caller's service.
            provider: who sells the model.
            source: the program; by default the guard's.
            api_key_hash: with which key.
            tags: laid over those around.
            estimate_usd: what the call may cost.
            estimate_tokens: how many tokens it may use, for limits in tokens.
            ignore_budget: why it is made whatever the budgets say; logged.

        Raises:
            BudgetExceeded: a budget that blocks has no room, or the fallback has none.
            BudgetUnknown: nobody knows how a budget stands that fails closed.
            ConfigurationError: an estimate is no amount.
        """
        self._running()
        asked = asked_for(
            user=user,
            model=model,
            project=project,
            session=session,
            endpoint=endpoint,
            provider=provider,
            source=source or self._source,
            api_key_hash=api_key_hash,
            tags=tags,
            estimate_usd=estimate_usd,
            estimate_tokens=estimate_tokens,
        )
        stale = self._freshness.stale(self._stale_after)
        found = verdict(
            Knowledge(
                self._budgets,
                self._standings,
                self._clock.now(),
                stale,
                None if self._freshness.ever else self._when_unknown,
            ),
            asked,
        )
        if found.refusal is None and found.decision.reason == "within":
            return found.decision
        reason = label(ignore_budget) or current_attribution().budgets_ignored
        if reason is not None:
            found = ignoring(found, asked, reason)
        return self._outcomes.told(found, stale)

    def reserve(
        self,
        estimate_usd: Decimal | str | int | None = None,
        *,
        estimate_tokens: int | None = None,
        **whom: Unpack[Whom],
    ) -> Reserving:
        """Reserve an estimate with the owner of each budget: the strict guard.

        For a `with` or `async with` block around the call; docs/reservations.md says
        what holds in it. Raises `ReservationDenied` where the block begins.

        Raises:
            ConfigurationError: the guard asks the API, which is asked to reserve by
                `POST /v1/reservations`.
        """
        if self._reservations is None:
            self._reservations = self._reserving()
        if self._source is not None:
            whom.setdefault("source", self._source)
        return self._reservations.reserve(
            estimate_usd, estimate_tokens=estimate_tokens, **whom
        )

    def _reserving(self) -> Reservations:
        if self._url is not None:
            raise ConfigurationError(
                "a guard that asks the API does not reserve: POST /v1/reservations, "
                "or give it Kafka's address"
            )
        from taximeter_producers import reservations  # noqa: PLC0415

        address, topics = kafka_of(*self._kafka)
        return reservations.Reservations(
            address, topics, when_unknown=self._when_unknown
        )

    def wait(self, timeout: float | None = 10.0) -> bool:
        """Wait until the budgets are known; False if time ran out."""
        self._running()
        return self._freshness.wait(timeout)

    def stats(self) -> GuardStats:
        """Return what is known, and what was said how often."""
        known = len(self._budgets), len(self._standings)
        age = self._freshness.age_seconds()
        return GuardStats(*known, age, self._outcomes.counts())

    def close(self, timeout: float | None = 10.0) -> bool:
        """Let go of Kafka or the API; what is known grows old from now on."""
        del timeout
        self._closed = True
        if self._feed is not None:
            self._feed.stop()
        if self._reservations is not None:
            self._reservations.close()
        exits.forget(self)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def save(self, timeout: float | None = None) -> bool:
        """Do nothing: a guard holds no events."""
        del timeout
        return True

    def before_fork(self) -> None:
        """Do nothing: the child begins anew."""

    def after_fork(self) -> None:
        """Do nothing."""

    def start_over(self) -> None:
        """Begin knowing nothing, in a forked child, which has none of the threads."""
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._budgets = Budgets()
        self._standings = Standings()
        self._freshness = Freshness()
        self._outcomes = Outcomes()
        self._feed: Feed | None = None

    def _running(self) -> None:
        """Start the feed; again after a fork. It is tried again if no thread can be."""
        if self._feed is not None or self._closed:
            return
        with self._lock:
            if self._feed is not None:
                return
            told = Told(self._budgets, self._standings, self._freshness, self._clock)
            feed = self._feeds(told)
            try:
                feed.start()
            except RuntimeError:  # no further thread can be started just now
                log.exception("budgets are not followed: no thread could be started")
            else:
                self._feed = feed
