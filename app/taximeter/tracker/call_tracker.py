"""The tracker itself, without litellm: counts calls that it is told of.

`CostTracker` is this and a litellm callback.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from taximeter.moments import time_zone as zone_named
from taximeter.tracker.at_exit import print_at_exit
from taximeter.tracker.calls import TrackedCall
from taximeter.tracker.limits import Asking, Limits, Money, exact_usd
from taximeter.tracker.prices import Prices, is_free, price_book
from taximeter.tracker.responses import events_of_response
from taximeter.tracker.summary import summary_text
from taximeter.tracker.totals import ALL, Standing, Totals
from taximeter_producers.attribution import current_attribution, label
from taximeter_producers.emitter import TakesEvents
from taximeter_schemas.clock import Clock, SystemClock
from taximeter_schemas.errors import BudgetExceeded
from taximeter_schemas.usage import EmittedEvent

__all__ = ["CallTracker"]

log = logging.getLogger(__name__)


class CallTracker:
    """Knows what this program has spent on LLM calls, and says when it is enough.

    Amounts are exact decimals. A call without a known price is not counted as 0: it
    is in no cost, and in `unpriced_count`. Every method may be called from any thread.

    Args:
        budget: what may be spent in all, in USD. A float is taken as it is written.
        on_budget_exceeded: called with the tracker, once, when the budget is reached.
        raise_on_budget: once a limit is reached, the next call through litellm that
            would cost something raises `BudgetExceeded` (docs/tracker.md).
        print_summary: print the summary when the program ends, if there is any.
        emitter: is given each event as well, once.
        prices: a `PriceBook`, or a file of own prices over the installed list.
        user_budget: what each user may spend.
        user_daily_budget: what each user may spend on a day of `time_zone`.
        session_budget: what each session may spend.
        model_budget: what may be spent on each model.
        time_zone: an IANA name.
        source: the program's name in its events.
        clock: says which day it is.

    Raises:
        ConfigurationError: an amount, the time zone or the prices cannot be used.
    """

    def __init__(  # noqa: PLR0913 - all that a tracker can be told
        self,
        budget: Money | None = None,
        on_budget_exceeded: Callable[[Any], object] | None = None,
        raise_on_budget: bool = False,
        print_summary: bool = True,
        emitter: TakesEvents | None = None,
        *,
        prices: Prices = None,
        user_budget: Money | None = None,
        user_daily_budget: Money | None = None,
        session_budget: Money | None = None,
        model_budget: Money | None = None,
        time_zone: str = "UTC",
        source: str = "tracker",
        clock: Clock | None = None,
    ) -> None:
        self._limits = Limits(
            budget=exact_usd("budget", budget),
            user_budget=exact_usd("user_budget", user_budget),
            user_daily_budget=exact_usd("user_daily_budget", user_daily_budget),
            session_budget=exact_usd("session_budget", session_budget),
            model_budget=exact_usd("model_budget", model_budget),
        )
        self._zone = zone_named(time_zone)
        self._book = price_book(prices)
        self._totals = Totals(self._book, self._zone)
        self._on_budget_exceeded = on_budget_exceeded
        self._raises = raise_on_budget
        self._emitter = emitter
        self._source = source
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._told = False
        self._refused = 0
        self._set_up()
        if print_summary:
            print_at_exit(self._last_words)

    @property
    def total_cost(self) -> Decimal:
        """What all priced calls cost, in USD."""
        self._settle()
        return self._totals.spent(ALL)

    @property
    def request_count(self) -> int:
        """How many calls were answered, priced or not."""
        return self._standing().requests

    @property
    def unpriced_count(self) -> int:
        """How many of them have no known price, and so are in no cost."""
        return sum(self._standing().unpriced.values())

    @property
    def unpriced_by_model(self) -> dict[str, int]:
        """How many calls have no known price, by "provider/model"."""
        return self._standing().unpriced

    @property
    def failed_count(self) -> int:
        """How many calls failed before they used anything; they are in no history."""
        return self._standing().failed

    @property
    def refused_count(self) -> int:
        """How often a reached limit has said no."""
        return self._refused

    @property
    def history(self) -> list[TrackedCall]:
        """Each call, in the order in which they were told."""
        self._settle()
        return self._totals.calls()

    @property
    def cost_by_model(self) -> dict[str, Decimal]:
        """What each model cost, the dearest first; one without a price is not in it."""
        return self._standing().by("model")

    @property
    def cost_by_user(self) -> dict[str, Decimal]:
        """What each user spent, the largest first."""
        return self._standing().by("user")

    @property
    def cost_by_session(self) -> dict[str, Decimal]:
        """What each session spent, the largest first."""
        return self._standing().by("session")

    @property
    def cost_by_project(self) -> dict[str, Decimal]:
        """What each project spent, the largest first."""
        return self._standing().by("project")

    @property
    def budget(self) -> Decimal | None:
        """What may be spent in all."""
        return self._limits.budget

    @property
    def remaining(self) -> Decimal | None:
        """What is left of the budget; below 0 when more was spent."""
        return None if self.budget is None else self.budget - self.total_cost

    @property
    def budget_exceeded(self) -> bool:
        """Whether something was spent and nothing is left."""
        spent = self.total_cost
        return self.budget is not None and 0 < spent >= self.budget

    def record(self, event: EmittedEvent) -> TrackedCall | None:
        """Count a call, and hand it to the emitter; None if it had been counted.

        Its price is that of the tracker's book, whatever its age.
        """
        call = self._totals.add(event)
        if call is None:
            return None
        if self._emitter is not None:
            self._emitter.emit(event)
        self._tell_if_exceeded()
        return call

    def emit(self, event: EmittedEvent) -> bool:
        """Take an event as an emitter does; False if it had been counted before."""
        return self.record(event) is not None

    def record_response(
        self,
        body: object,
        shape: str | None = None,
        *,
        provider: str | None = None,
        model: str | None = None,
        **event_fields: object,
    ) -> TrackedCall | None:
        """Count a call by what its provider answered; None if it had been counted.

        An answer whose usage contradicts itself is counted as unpriced.

        Args:
            body: the answer: a dictionary, JSON, or a client library's object.
            shape: which API answered (docs/usage.md).
            provider: whose prices hold; by default the vendor that the shape names.
            model: by default the one that the answer names.
            event_fields: what else an event says: `user_id`, `session_id`, …

        Raises:
            UnknownShape: there is no such shape, or it cannot be told.
            ConfigurationError: neither the answer nor the caller says whose model
                it was.
            pydantic.ValidationError: a field is unknown or out of bounds.
        """
        said = {"source": self._source, **event_fields}
        events = events_of_response(body, shape, provider, model, self._clock, said)
        calls = [self.record(event) for event in events]
        return calls[0]

    def check(
        self,
        *,
        user: object = None,
        session: object = None,
        model: str | None = None,
        provider: str | None = None,
    ) -> None:
        """Raise if a limit that the next call falls under has been reached.

        User and session are by default those of the `attribute(...)` blocks around.
        A model that is known to cost nothing is never refused.

        Raises:
            BudgetExceeded: says which limit, and what was spent.
        """
        self._settle()
        asking = self._asking(user, session, model, provider)
        for subject, limit in self._limits.on(asking):
            spent = self._totals.spent(subject)
            if spent >= limit and not self._costs_nothing(model, provider):
                self._refuse(BudgetExceeded(limit, spent, subject))

    def reset(self) -> None:
        """Forget all calls: the spend is 0 and the budget is whole again."""
        with self._lock:
            self._totals.clear()
            self._told = False
            self._refused = 0

    def summary(self) -> str:
        """Return the summary as it is printed when the program ends."""
        return summary_text(
            self._standing(), self.budget, self._refused, self._totals.calls()
        )

    def _set_up(self) -> None:
        """For a tracker that is more: get ready, before anything is tracked."""

    def _settle(self) -> None:
        """For a tracker that is told late: wait for what this thread has called."""

    def _standing(self) -> Standing:
        self._settle()
        return self._totals.standing()

    def _asking(
        self, user: object, session: object, model: str | None, provider: str | None
    ) -> Asking:
        around = current_attribution()
        of_model = self._limits.model_budget is not None
        return Asking(
            user=label(user) or around.user_id,
            session=label(session) or around.session_id,
            model=self._named(model, provider)[1] if of_model else None,
            day=self._clock.now().astimezone(self._zone).date().isoformat(),
        )

    def _costs_nothing(self, model: str | None, provider: str | None) -> bool:
        seller, name = self._named(model, provider)
        return name is not None and is_free(self._book, seller, name)

    def _named(self, model: str | None, provider: str | None) -> tuple[str, str | None]:
        """Return provider and model as events name them."""
        if model is not None and provider is None and "/" in model:
            provider, _, model = model.partition("/")
        return provider or "", model

    def _refuse(self, error: BudgetExceeded) -> None:
        with self._lock:
            self._refused += 1
        if error.subject == ALL:
            self._tell()
        raise error

    def _tell_if_exceeded(self) -> None:
        spent = self._totals.spent(ALL)
        if self.budget is not None and 0 < spent >= self.budget:
            self._tell()

    def _tell(self) -> None:
        """Call back, once; whatever goes wrong there is no fault of the LLM call."""
        with self._lock:
            first, self._told = not self._told, True
        if not first or self._on_budget_exceeded is None:
            return
        try:
            self._on_budget_exceeded(self)
        except Exception:
            log.exception("on_budget_exceeded failed")

    def _last_words(self) -> str:
        standing = self._standing()
        happened = standing.requests or standing.failed or self._refused
        return self.summary() if happened else ""
