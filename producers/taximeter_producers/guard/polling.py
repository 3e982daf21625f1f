"""Asks the API how budgets stand: a thread that polls, with nothing but the stdlib."""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import Final
from urllib.request import Request, urlopen

from pydantic import BaseModel, ValidationError

from taximeter_producers.emitter import Rarely
from taximeter_producers.guard.feeds import Told
from taximeter_schemas.budgets import BudgetDefined, BudgetStatus, PlanAssigned
from taximeter_schemas.errors import ConfigurationError

__all__ = ["ApiFeed"]

log = logging.getLogger(__name__)

_ANSWER_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 5.0
_MOST: Final = 10_000


class _Known(BaseModel):
    """What the API answers."""

    budgets: list[BudgetDefined]
    plans: list[PlanAssigned]
    statuses: list[BudgetStatus]


class ApiFeed:
    """Keeps budgets and standings as the API tells them.

    It tells of the 10,000 subjects whose budgets are fullest; the others count as
    having spent nothing.

    Args:
        url: the API's address.
        told: what learns of it.
        poll_seconds: how often it is asked.
        token: what the API lets it in for, if it asks for a token.

    Raises:
        ConfigurationError: the address is not http or https.
    """

    def __init__(
        self, url: str, told: Told, poll_seconds: float, token: str = ""
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(f"url={url!r} is no address of an API")
        self._url = url.rstrip("/")
        self._token = token
        self._told = told
        self._poll_seconds = poll_seconds
        self._rarely = Rarely()
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="taximeter-guard", daemon=True
        )

    def start(self) -> None:
        """Start the thread; it asks at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, when it has its answer."""
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            asked_at = monotonic()
            try:
                self._ask()
            except (OSError, ValueError) as error:
                self._say(error)
            except Exception:
                log.exception("how budgets stand could not be asked")
            else:
                self._told.freshness.known_as_of(asked_at)
            self._stopping.wait(self._poll_seconds)

    def _ask(self) -> None:
        request = Request(f"{self._url}/v1/budgets/guard?limit={_MOST}")  # noqa: S310 - checked above
        if self._token:  # which is sent to nobody else, should the API redirect
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        with urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
            known = _Known.model_validate_json(answer.read())
        now = self._told.clock.now()
        self._told.budgets.replace([*known.budgets, *known.plans])
        self._told.standings.replace(((_key(one), one) for one in known.statuses), now)

    def _say(self, error: Exception) -> None:
        if isinstance(error, ValidationError):
            error = ValueError("it answers what this version cannot read")
        self._told.freshness.trouble = f"the API at {self._url}: {error}"
        if self._rarely.now():
            log.warning("budgets: %s; asking again", self._told.freshness.trouble)


def _key(status: BudgetStatus) -> bytes:
    named = status.budget_id, status.subject_kind, status.subject_id
    start = "rolling" if status.period.startswith("rolling") else status.period_start
    return "|".join(map(str, (*named, start))).encode()
