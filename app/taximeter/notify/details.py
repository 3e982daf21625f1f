"""What a message says of an alert besides the alert: who and what, and where to look.

It is asked of the ledger when a message is sent, within a second; what is not known by
then is left out, since an alert must not wait for its decoration.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from pydantic import ValidationError

from taximeter.alert_words import plain_usd
from taximeter.notify.alert import Alert
from taximeter.notify.messages import Detail, Known
from taximeter_schemas.alerts import (
    BudgetThresholdCrossed,
    DigestDue,
    Share,
    alert_adapter,
    page_of,
)
from taximeter_schemas.errors import TaximeterError
from taximeter_schemas.subjects import EVERYTHING, Subject, dimensions_of
from taximeter_sinks.queries import Ledger, Top
from taximeter_sinks.tops import TOP_KINDS

__all__ = ["Details", "LedgerDetails", "NoDetails"]


_log: Final = logging.getLogger(__name__)
_SECONDS: Final = 1.0
_MOST_ALERTS: Final = 5


class Details(Protocol):
    """Knows more about alerts."""

    async def of(self, alerts: Sequence[Alert]) -> Known:
        """Return what is known of some alerts; never raise, never take long."""
        ...


class NoDetails:
    """Knows no more."""

    async def of(self, alerts: Sequence[Alert]) -> Known:
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
        self._asking: asyncio.Task[Known] | None = None

    async def of(self, alerts: Sequence[Alert]) -> Known:
        """Return what is known of some alerts, by their ids."""
        tops = await self._in_time(alerts[:_MOST_ALERTS])
        return {
            alert.alert_id: _linked(tops.get(alert.alert_id, Detail()), link)
            for alert in alerts
            for link in [page_of(self._link, alert.budget) or alert.link]
        }

    async def _in_time(self, alerts: Sequence[Alert]) -> Known:
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

    def _tops(self, alerts: Sequence[Alert]) -> Known:
        about = {a.alert_id: found for a in alerts if (found := _about(a))}
        if not about:
            return {}
        try:
            with self._open_ledger() as ledger:
                return {
                    alert: _detail(one, ledger.tops(_subject(one), *_period(one)))
                    for alert, one in about.items()
                }
        except (TaximeterError, OSError) as error:
            _log.debug("no details: %s", error)
            return {}


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


def _detail(alert: _Told, tops: Sequence[Top]) -> Detail:
    """Return the models and the users, with no line of what the subject names."""
    named = dimensions_of(_subject(alert).kind)
    lines: list[str] = []
    fields: dict[str, object] = {}
    for kind in TOP_KINDS:
        found = [top for top in tops if top.by == kind]
        if found and kind not in named:
            each = [f"{top.name} {plain_usd(top.cost_usd)}" for top in found]
            lines.append(f"{kind}s: {', '.join(each)} USD")
        if isinstance(alert, BudgetThresholdCrossed):
            fields[f"top_{kind}s"] = [_share(top) for top in found]
    return Detail(lines, fields)


def _share(top: Top) -> dict[str, object]:
    return Share(name=top.name, spent_usd=top.cost_usd).model_dump(mode="json")


def _linked(detail: Detail, link: str | None) -> Detail:
    if link is None:
        return detail
    return Detail([*detail.lines, link], {**detail.fields, "link": link})
