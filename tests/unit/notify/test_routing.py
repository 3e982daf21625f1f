"""Which alerts a route is for, and what becomes of records that are none."""

from __future__ import annotations

import pytest

from taximeter.broker.topic_io import TopicRecord
from taximeter.notify.alert import NotAnAlert, read_alert
from taximeter.notify.delivery_state import DeliveryState
from taximeter.notify.intake import taken_in
from taximeter_schemas.deliveries import AlertRouted, AlertsRead
from tests.alerting import a_record, a_route, an_alert
from tests.builders import NOON, an_id


@pytest.mark.parametrize(
    ("match", "alert", "covered"),
    [
        ({}, {}, True),
        ({"percent": 80}, {"threshold_percent": 80}, True),
        ({"percent": 81}, {"threshold_percent": 80}, False),
        ({"severity": "critical"}, {"threshold_percent": 99}, False),
        ({"severity": "critical"}, {"threshold_percent": 100}, True),
        ({"severity": "warning"}, {"threshold_percent": 79}, False),
        ({"budget": "pro*"}, {}, True),
        ({"budget": ["demo", "prod"]}, {}, True),
        ({"budget": "PROD"}, {}, False),
        ({"subject": {"user": "a*"}}, {}, True),
        ({"subject": {"user": "b*"}}, {}, False),
        ({"subject": {"model": "*"}}, {}, False),
        ({"subject": {"model": "gpt*"}}, {"scope": {"model": "gpt-4o"}}, True),
        ({"tags": {"team": "growth"}}, {"tags": {"team": "growth"}}, True),
        ({"tags": {"team": "growth"}}, {"tags": {"team": "core"}}, False),
        ({"tags": {"team": "*"}}, {}, False),
        ({"kind": "Budget*"}, {}, True),
        ({"kind": "SpendAnomalyDetected"}, {}, False),
        ({"budget": "prod", "percent": 100}, {"threshold_percent": 80}, False),
    ],
)
def test_all_that_a_match_says_must_be_true(
    match: dict[str, object], alert: dict[str, object], covered: bool
) -> None:
    """An alert goes along a route if every clause of its match fits."""
    assert a_route(match=match).match.covers(an_alert(**alert)) is covered


def test_an_alert_of_a_kind_to_come_is_delivered() -> None:
    """A kind that nobody knows yet matters as a warning, and has no percentage."""
    alert = read_alert(
        b'{"event_type": "SomethingNew", "alert_id": "%s"}' % str(an_id()).encode()
    )

    assert alert.severity == "warning"
    assert a_route(match={"severity": "warning"}).match.covers(alert)
    assert not a_route(match={"percent": 1}).match.covers(alert)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "not_json"),
        (None, "not_json"),
        (b"[]", "not_an_event"),
        (b"{}", "invalid_event"),
        (b'{"event_type": "X", "alert_id": "7"}', "invalid_event"),
    ],
)
def test_what_is_no_alert_becomes_a_dead_letter(
    value: bytes | None, reason: str
) -> None:
    """It is kept with its origin, and what stands behind it is read all the same."""
    with pytest.raises(NotAnAlert):
        read_alert(value)
    good = a_record(an_alert(), partition=2, offset=8)

    step = taken_in(
        [TopicRecord(2, 7, None, value), good],
        "taximeter.budget-alerts",
        [a_route()],
        DeliveryState(),
        NOON,
    )

    (letter,) = step.letters
    assert (letter.reason, letter.key) == (reason, b"taximeter.budget-alerts:2:7")
    assert letter.payload == (value or b"")
    routed, read = step.events
    assert isinstance(routed, AlertRouted)
    assert isinstance(read, AlertsRead)
    assert (read.partition, read.next_offset) == (2, 9)


def test_each_route_that_fits_gets_the_alert_once() -> None:
    """An alert that stands in the topic twice, or comes again, is routed once."""
    alert = an_alert()
    routes = [
        a_route(name="a"),
        a_route(name="b"),
        a_route(name="c", match={"kind": "x"}),
    ]
    state = DeliveryState()

    first = taken_in([a_record(alert), a_record(alert, 0, 1)], "t", routes, state, NOON)
    state.apply(first.events)
    again = taken_in([a_record(alert, 1, 5)], "t", routes, state, NOON)

    names = [event.route for event in first.events if isinstance(event, AlertRouted)]
    assert names == ["a", "b"]
    assert [type(event) for event in again.events] == [AlertsRead]
