"""What was given up is asked for once more, and what was not is left alone."""

from __future__ import annotations

from taximeter.notify.delivery_state import DeliveryState
from taximeter.notify.resend import requests
from taximeter.notify.route_work import failure
from taximeter_schemas.deliveries import (
    AlertDelivered,
    AlertDeliveryFailed,
    AlertResendRequested,
)
from tests.alerting import a_record, a_waiting, an_alert
from tests.builders import NOON, an_id

ALERT = an_alert()
ROUTED = a_waiting(ALERT).routed
FAILED = failure(a_waiting(ALERT), "HTTP 503", NOON)
DELIVERED = AlertDelivered(
    event_type="AlertDelivered",
    alert_id=ALERT.alert_id,
    route="ops",
    message_id=an_id("m"),
    attempts=1,
    delivered_at=NOON,
)


def _asked(failed: AlertDeliveryFailed = FAILED) -> AlertResendRequested:
    (request,) = requests([failed], {ALERT.alert_id: a_record(ALERT, 3, 41)}, NOON)
    return request


def _state(*events: object) -> DeliveryState:
    state = DeliveryState()
    state.apply(events)  # type: ignore[arg-type]
    return state


def test_what_was_given_up_waits_anew() -> None:
    """With its alert, where it stood, and no attempt so far."""
    state = _state(ROUTED, FAILED, _asked())

    (waiting,) = state.of("ops")
    assert (waiting.alert.text, waiting.routed.attempts) == (ALERT.text, 0)
    assert (waiting.routed.alert_partition, waiting.routed.alert_offset) == (3, 41)
    assert (state.failed, state.count) == (0, 1)


def test_what_is_delivered_or_waits_stays_as_it_is() -> None:
    """A request that comes too late, or twice, sends nothing twice."""
    assert _state(ROUTED, DELIVERED, _asked()).count == 0
    assert _state(ROUTED, _asked()).of("ops")[0].routed == ROUTED
    assert _state(ROUTED, FAILED, _asked(), _asked()).count == 1
    assert _state(ROUTED, FAILED, _asked(), DELIVERED, _asked()).count == 0


def test_a_request_can_fail_too() -> None:
    """Then it is given up again, and can be asked for again."""
    state = _state(ROUTED, FAILED, _asked(), FAILED)

    assert (state.count, state.failed) == (0, 1)
    state.apply([_asked()])
    assert (state.count, state.failed) == (1, 0)


def test_compaction_loses_no_request() -> None:
    """A compacted log keeps the last word of each key: any prefix may be gone."""
    begun = a_waiting(ALERT, attempts=1, message_id=an_id("m"), attempted_at=NOON)

    assert _state(_asked()).count == 1
    assert _state(_asked(), begun.routed).of("ops")[0].routed.attempts == 1
    assert _state(_asked(), DELIVERED).count == 0


def test_an_alert_that_nobody_knows_is_not_asked_for() -> None:
    """Without the alert itself there is nothing to be sent."""
    assert requests([FAILED], {}, NOON) == []
