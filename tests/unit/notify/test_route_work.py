"""A route at work: what is written before and after each attempt, and what is not."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from datetime import timedelta

import pytest

from taximeter.notify.config import Route
from taximeter.notify.delivery_state import DeliveryState, delivery_event
from taximeter.notify.grouping import Batch, next_turn
from taximeter.notify.messages import Message
from taximeter.notify.route_work import RouteWork
from taximeter.notify.secret_values import Secrets
from taximeter.notify.targets import Target
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.deliveries import AlertDeliveryFailed
from taximeter_schemas.errors import BrokerUnavailable
from taximeter_schemas.topics import Topics
from tests.alerting import FakeTarget, Written, a_route, a_waiting, an_alert
from tests.builders import NOON

TWICE = {"attempts": 2, "first_seconds": 1}


def _state(count: int = 1) -> DeliveryState:
    state = DeliveryState()
    state.apply([a_waiting(an_alert()).routed for _ in range(count)])
    return state


def _work(
    written: Written, state: DeliveryState, target: Target, route: Route | None = None
) -> RouteWork:
    secrets = Secrets({})
    secrets.remember("https://host/very-secret")
    chosen = route or a_route(retries=TWICE)
    return RouteWork(chosen, target, written.log(state), secrets, ManualClock(NOON))


def _due(state: DeliveryState) -> Batch:
    later = NOON + timedelta(hours=1)
    batch = next_turn(a_route(), state.of("ops"), later).batch
    assert batch is not None
    return batch


async def test_an_attempt_is_written_before_and_after() -> None:
    """First that it begins, with the message's id; then that it was delivered."""
    written, state, target = Written(), _state(2), FakeTarget()
    batch = _due(state)

    await _work(written, state, target).attempt(batch)

    assert written.events() == [*["AlertRouted"] * 2, *["AlertDelivered"] * 2]
    begun = [json.loads(line.value) for line in written.lines[:2]]
    assert {fields["attempts"] for fields in begun} == {1}
    assert {fields["message_id"] for fields in begun} == {str(batch.message_id)}
    assert [message.message_id for message in target.sent] == [batch.message_id]
    assert (state.count, state.delivered) == (0, 2)


async def test_a_refusal_is_tried_again_and_the_last_is_a_dead_letter() -> None:
    """After the last attempt the alert is kept with the route and the reason."""
    written, state = Written(), _state()
    target = FakeTarget(["HTTP 503", "HTTP 404 at https://host/very-secret"])
    work = _work(written, state, target)
    alert = state.of("ops")[0].alert

    await work.attempt(_due(state))
    assert (state.count, state.of("ops")[0].routed.attempts) == (1, 1)
    await work.attempt(_due(state))

    assert (state.count, state.failed, target.sent) == (0, 1, [])
    letter = json.loads(written.lines[-1].value)
    assert written.lines[-1].topic == Topics().dead_letters
    assert letter["reason"] == "delivery_failed"
    assert b64decode(letter["payload"]).decode() == alert.text
    failed = delivery_event(written.lines[-2].value)
    assert isinstance(failed, AlertDeliveryFailed)
    assert (failed.reason, failed.attempts) == ("HTTP 404 at ***", 2)
    assert not [line for line in written.lines if b"very-secret" in line.value]


async def test_nothing_is_sent_that_could_not_be_written_before() -> None:
    """Without a log of the attempt there is none: a crash would not know of it."""
    written, state, target = Written(away=1), _state(), FakeTarget()

    with pytest.raises(BrokerUnavailable):
        await _work(written, state, target).attempt(_due(state))

    assert (target.sent, state.count) == ([], 1)


async def test_an_outcome_that_kafka_did_not_take_is_kept() -> None:
    """It is written by the next session, before that sends anything."""
    written, state = Written(), _state()

    class Going(FakeTarget):
        async def send(self, message: Message) -> None:
            written.away = 1
            await super().send(message)

    target = Going()
    with pytest.raises(BrokerUnavailable):
        await _work(written, state, target).attempt(_due(state))
    assert state.count == 1
    await written.log(state).catch_up()

    assert written.events() == ["AlertRouted", "AlertDelivered"]
    assert (len(target.sent), state.count, written.unrecorded) == (1, 0, [])


async def test_an_attempt_under_way_is_carried_to_its_end() -> None:
    """Stopping waits for the target's answer and writes it down."""
    written, state = Written(), _state()
    asked, answer = asyncio.Event(), asyncio.Event()

    class Slow(FakeTarget):
        async def send(self, message: Message) -> None:
            asked.set()
            await answer.wait()
            await super().send(message)

    target = Slow()
    route = a_route(group={"seconds": 0})
    running = asyncio.create_task(_work(written, state, target, route).run())
    await asked.wait()
    running.cancel()
    answer.set()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert written.events() == ["AlertRouted", "AlertDelivered"]


async def test_a_route_that_is_woken_and_stopped_at_once_is_stopped() -> None:
    """Who was shut out wakes its routes and ends them in the same breath."""
    work = _work(Written(), DeliveryState(), FakeTarget())
    running = asyncio.create_task(work.run())
    await asyncio.sleep(0)
    work.wake()
    await asyncio.sleep(0)
    running.cancel()

    await asyncio.wait([running], timeout=5)
    assert running.cancelled()


async def test_a_target_that_breaks_is_a_refusal() -> None:
    """An error of one target, whatever it says, ends no other route."""
    written, state = Written(), _state()

    class Broken(FakeTarget):
        async def send(self, message: Message) -> None:
            raise RuntimeError("with very-secret in it")

    await _work(written, state, Broken(), a_route(retries={"attempts": 1})).attempt(
        _due(state)
    )

    failed = delivery_event(written.lines[-2].value)
    assert isinstance(failed, AlertDeliveryFailed)
    assert failed.reason == "RuntimeError"


def test_the_state_is_what_the_log_says() -> None:
    """A settled delivery stays so, however often and late its other events come."""
    one = a_waiting(an_alert())
    failed = AlertDeliveryFailed(
        event_type="AlertDeliveryFailed",
        alert_id=one.alert_id,
        route="ops",
        attempts=1,
        failed_at=NOON,
        reason="HTTP 503",
    )
    state = DeliveryState()

    state.apply([one.routed, one.routed, failed, one.routed, failed])

    assert (state.count, state.failed) == (0, 1)
    assert state.knows(one.alert_id, "ops")
    assert not state.knows(one.alert_id, "dev")
