"""What a message says of an alert besides the alert: who and what, and where to look.

It is asked of the ledger when a message is sent, within a second; what is not known by
then is left out, since an alert must not wait for its decoration.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol
from urllib.parse import quote
from uuid import UUID

from pydantic import ValidationError

from taximeter.alert_words import plain_usd
from taximeter.notify.alert import Alert
from taximeter_schemas.alerts import BudgetThresholdCrossed, DigestDue, alert_adapter
from taximeter_schemas.errors import TaximeterError
from taximeter_schemas.subjects import EVERYTHING, Subject, dimensions_of
from taximeter_sinks.queries import Ledger, Top
from taximeter_sinks.tops import TOP_KINDS

__all__ = ["Details", "LedgerDetails", "NoDetails"]

Lines = Mapping[UUID, Sequence[str]]

_log: Final = logging.getLogger(__name__)
_SECONDS: Final = 1.0
_MOST_ALERTS: Final = 5
_BUDGET: Final = "{budget}"


class Details(Protocol):
    """Knows more about alerts."""

    async def of(self, alerts: Sequence[Alert]) -> Lines:
        """Return lines for some alerts, by their ids; never raise, never take long."""
        ...


class NoDetails:
    """Knows no more."""

    async def of(self, alerts: Sequence[Alert]) -> Lines:
        """Return nothing."""
        del alerts
        return {}


class LedgerDetails:
    """Knows the dearest models and users in what an alert is about, and a link.

    Args:
        open_ledger: opens the ledger, for one message.
        link: a page, in which `{budget}` stands for the budget's id.
        seconds: how long the ledger may take.
    """

    def __init__(
        self,
        open_ledger: Callable[[], Ledger],
        link: str | None = None,
        seconds: float = _SECONDS,
    ) -> None:
        self._open_ledger = open_ledger
        self._link = link
        self._seconds = seconds
        self._asking: asyncio.Task[Lines] | None = None

    async def of(self, alerts: Sequence[Alert]) -> Lines:
        """Return lines for some alerts, by their ids."""
        tops = await self._in_time(alerts[:_MOST_ALERTS])
        links = {alert.alert_id: self._link_of(alert) for alert in alerts}
        return {
            alert: [*tops.get(alert, ()), *([link] if link else [])]
            for alert, link in links.items()
        }

    async def _in_time(self, alerts: Sequence[Alert]) -> Lines:
        """Ask the ledger; while it is still busy with an earlier question, do not."""
        if self._asking is not None and not self._asking.done():
            return {}
        self._asking = asyncio.create_task(asyncio.to_thread(self._tops, alerts))
        done, _ = await asyncio.wait([self._asking], timeout=self._seconds)
        if not done:
            return {}
        if error := self._asking.exception():
            _log.warning("no details: %s", type(error).__name__)
            return {}
        return self._asking.result()

    def _tops(self, alerts: Sequence[Alert]) -> Lines:
        about = {a.alert_id: found for a in alerts if (found := _about(a))}
        if not about:
            return {}
        try:
            with self._open_ledger() as ledger:
                return {
                    alert: _lines(one, ledger.tops(_subject(one), *_period(one)))
                    for alert, one in about.items()
                }
        except (TaximeterError, OSError) as error:
            _log.debug("no details: %s", error)
            return {}

    def _link_of(self, alert: Alert) -> str | None:
        if self._link is None or (_BUDGET in self._link and not alert.budget):
            return None
        return self._link.replace(_BUDGET, quote(alert.budget, safe=""))


_Told = BudgetThresholdCrossed | DigestDue


def _about(alert: Alert) -> _Told | None:
    try:
        found = alert_adapter.validate_json(alert.text)
    except ValidationError:
        return None
    return found if isinstance(found, BudgetThresholdCrossed | DigestDue) else None


def _subject(alert: _Told) -> Subject:
    if isinstance(alert, DigestDue):
        return EVERYTHING
    return Subject(alert.subject_kind, alert.subject_id)


def _period(alert: _Told) -> tuple[datetime | None, datetime | None]:
    return alert.period_start, alert.period_end


def _lines(alert: _Told, tops: Sequence[Top]) -> list[str]:
    """Return a line of models and one of users; none of what the subject names."""
    named = dimensions_of(_subject(alert).kind)
    lines: list[str] = []
    for kind in TOP_KINDS:
        found = [top for top in tops if top.by == kind]
        if found and kind not in named:
            each = [f"{top.name} {plain_usd(top.cost_usd)}" for top in found]
            lines.append(f"{kind}s: {', '.join(each)} USD")
    return lines
