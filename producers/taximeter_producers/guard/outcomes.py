"""What is to be said of a verdict: counted each time, logged now and then."""

from __future__ import annotations

import logging
import threading
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from taximeter_producers.emitter import Rarely
from taximeter_producers.guard.asked import Asked
from taximeter_producers.guard.verdicts import Decision, Verdict
from taximeter_schemas.errors import BudgetExceeded

__all__ = ["BudgetWarning", "Outcomes", "ignoring"]

log = logging.getLogger(__name__)

_MOST_SPOKEN_OF: Final = 1_000


class BudgetWarning(UserWarning):
    """A budget is exceeded that only warns."""


class Outcomes:
    """Says what a verdict asks for: raises, warns, logs. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._spoken: dict[str, Rarely] = {}

    def counts(self) -> Mapping[str, int]:
        """Return how often there was which outcome."""
        with self._lock:
            return MappingProxyType(dict(self._counts))

    def told(self, found: Verdict, stale: str | None) -> Decision:
        """Return the decision, or raise why there is none.

        Args:
            found: the verdict.
            stale: why nobody knows how budgets stand, if nobody does.
        """
        decision, refusal = found
        if refusal is not None:
            exceeded = isinstance(refusal, BudgetExceeded)
            self._count("exceeded" if exceeded else "unknown_refused")
            raise refusal
        self._count(decision.reason)
        if decision.ignored is not None:
            # A person's word against a budget's: each time.
            over = [*map(str, decision.over), *decision.unknown]
            log.warning("budgets ignored (%s): %s", decision.ignored, "; ".join(over))
            return decision
        if decision.reason == "unknown":
            self._say("unknown", f"{stale}: calls pass that no budget was asked about")
        for one in decision.over:
            self._say_over(decision, one)
        return decision

    def _say_over(self, decision: Decision, over: BudgetExceeded) -> None:
        if decision.reason == "fallback":
            self._say(str(over.budget_id), f"{over}; calling {decision.model} instead")
        elif self._say(str(over.budget_id), str(over)):
            try:
                warnings.warn(str(over), BudgetWarning, stacklevel=5)
            except BudgetWarning:  # a filter made it an error: the call goes on
                log.debug("a warning was made an error")

    def _say(self, about: str, words: str) -> bool:
        with self._lock:
            if len(self._spoken) > _MOST_SPOKEN_OF:
                self._spoken.clear()
            due = self._spoken.setdefault(about, Rarely()).now()
        if due:
            log.warning("%s", words)
        return due

    def _count(self, outcome: str) -> None:
        with self._lock:
            self._counts[outcome] += 1


def ignoring(found: Verdict, asked: Asked, reason: str) -> Verdict:
    """Return that a call is made as it was asked for, whatever would be said of it."""
    decision, refusal = found
    over = decision.over
    if isinstance(refusal, BudgetExceeded):
        over = (*over, refusal)
    ignored = replace(
        decision, model=asked.model, reason="ignored", over=over, ignored=reason
    )
    return Verdict(ignored)
