"""A message that says no more than that a route works."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from taximeter.notify.alert import read_alert
from taximeter.notify.config import NotifyConfig, Route
from taximeter.notify.messages import Message
from taximeter.notify.targets import Target
from taximeter.notify.targets.refused import Refused
from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.errors import NotDelivered
from taximeter_schemas.ids import time_ordered_id

__all__ = ["trial_message", "try_route"]


async def try_route(
    config: NotifyConfig, route: Route, target: Target, now: datetime
) -> None:
    """Send one made-up alert along a route, whatever its match and quiet hours say.

    Raises:
        NotDelivered: the target did not accept it; says why, without any secret.
    """
    try:
        await target.send(trial_message(route, now))
    except Refused as error:
        reason = config.secrets.hidden(error.reason)
        raise NotDelivered(route.name, reason) from None


def trial_message(route: Route, now: datetime) -> Message:
    """Return a message of the route's own form, with an alert that nobody raised."""
    made_up = BudgetThresholdCrossed(
        alert_id=time_ordered_id(now),
        raised_at=now,
        budget_id="a-test-of-taximeter-notify",
        subject_kind="all",
        subject_id="",
        period="total",
        period_start=None,
        period_end=None,
        threshold_percent=80,
        limit_usd=Decimal("1.00"),
        spent_usd=Decimal("0.80"),
    )
    alert = read_alert(made_up.model_dump_json().encode())
    return Message.of(made_up.alert_id, route.name, [alert], route.texts)
