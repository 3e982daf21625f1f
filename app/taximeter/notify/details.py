"""What a message says of an alert besides the alert: who and what, and where to look.

It is asked of the ledger when a message is sent, within a second; what is not known by
then is left out, since an alert must not wait for its decoration.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from pydantic import ValidationError

from taximeter.alert_details import About, Dearest, about, dearest
from taximeter.alert_words import plain_usd
from taximeter.notify.alert import Alert
from taximeter.notify.messages import Detail, Known
from taximeter_schemas.alerts import (
    BudgetThresholdCrossed,
    Share,
    alert_adapter,
    page_of,
)
from taximeter_schemas.errors import TaximeterError
from taximeter_schemas.subjects import dimensions_of
from taximeter_sinks.queries import Ledger
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
        asked = [(alert, found) for alert in alerts if (found := _about(alert))]
        if not asked:
            return {}
        try:
            with self._open_ledger() as ledger:
                return {
                    alert.alert_id: _detail(alert, one, dearest(ledger, one))
                    for alert, one in asked
                }
        except (TaximeterError, OSError) as error:
            _log.debug("no details: %s", error)
            return {}


def _about(alert: Alert) -> About | None:
    try:
        return about(alert_adapter.validate_json(alert.text))
    except ValidationError:  # a kind that came later
        return None


def _detail(alert: Alert, asked: About, found: Dearest) -> Detail:
    """Return the models and the users, with no line of what the subject names."""
    named = dimensions_of(asked.subject.kind)
    lines = [
        f"{kind}s: {', '.join(map(_in_words, shares))} USD"
        for kind, shares in zip(TOP_KINDS, found, strict=True)
        if shares and kind not in named
    ]
    if alert.kind != BudgetThresholdCrossed.__name__:
        return Detail(lines)
    told = {f"top_{kind}s": _told(found[n]) for n, kind in enumerate(TOP_KINDS)}
    return Detail(lines, told)


def _in_words(share: Share) -> str:
    return f"{share.name} {plain_usd(share.spent_usd)}"


def _told(shares: Sequence[Share]) -> list[dict[str, object]]:
    return [share.model_dump(mode="json") for share in shares]


def _linked(detail: Detail, link: str | None) -> Detail:
    if link is None:
        return detail
    return Detail([*detail.lines, link], {**detail.fields, "link": link})
