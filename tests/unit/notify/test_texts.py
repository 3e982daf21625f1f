"""What a message says, and what templates cannot do."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from taximeter.notify.messages import Message, message_id_of, signature
from taximeter.notify.templates import Texts
from tests.alerting import an_alert
from tests.builders import an_id


def test_without_templates_a_message_says_what_happened() -> None:
    """The title has the gravest severity and the budgets, the body a line an alert."""
    alerts = [an_alert(), an_alert(threshold_percent=100, budget_id="demo")]

    message = Message.of(an_id("m"), "ops", alerts, Texts())

    assert message.title == "Taximeter, critical: 2 alerts, prod, demo"
    first, second = message.body.splitlines()
    assert first == (
        "80 % of prod: user alice has spent 8.50 of 10.00 USD "
        "(day from 2026-11-22T00:00:00Z)"
    )
    assert second.startswith("100 % of demo")
    assert message.severity == "critical"


def test_templates_name_fields() -> None:
    """A line may name any field of the alert, and those that are made for people."""
    texts = Texts(
        title="{route}: {count}", line="{budget}/{subject_id} {spent} {period}"
    )

    message = Message.of(an_id("m"), "ops", [an_alert()], texts)

    assert (message.title, message.body) == ("ops: 1", "prod/alice 8.50 day")


@pytest.mark.parametrize(
    "template",
    [
        "{budget.__class__}",
        "{budget[0]}",
        "{budget!r}",
        "{budget:>9999999}",
        "{environ}",
        "{}",
        "{0}",
        "{",
    ],
)
def test_templates_can_do_nothing_else(template: str) -> None:
    """Attributes, indices, conversions, formats and unknown fields are faults."""
    with pytest.raises(ValidationError):
        Texts(line=template)
    with pytest.raises(ValidationError):
        Texts(title=template)


@pytest.mark.parametrize(
    "name",
    ["<!channel>", "<@U123>", "@everyone", "@here", "a\r\nBcc: x@y.z", "\x1b[2J"],
)
def test_nobody_is_called_by_a_subject_s_name(name: str) -> None:
    """A name neither calls a channel nor breaks a line or a terminal."""
    alerts = [an_alert(subject_id=name, budget_id=name)]

    message = Message.of(an_id("m"), "ops", alerts, Texts())

    assert name not in message.title + message.body
    assert len((message.title + message.body).splitlines()) == 1


def test_a_large_message_says_how_much_it_leaves_out() -> None:
    """Twenty lines are shown, the rest are counted; a webhook gets all of them."""
    alerts = [an_alert() for _ in range(33)]

    message = Message.of(an_id("m"), "ops", alerts, Texts())

    assert len(message.body.splitlines()) == 21
    assert message.body.endswith("… and 13 more")
    assert len(json.loads(message.as_json())["alerts"]) == 33


def test_the_same_alerts_make_the_same_message() -> None:
    """Its id is a function of the route and the alerts, in any order."""
    a, b = an_id("a"), an_id("b")

    assert message_id_of("ops", [a, b]) == message_id_of("ops", [b, a])
    assert message_id_of("ops", [a, b]) != message_id_of("dev", [a, b])
    assert message_id_of("ops", [a]) != message_id_of("ops", [a, b])


def test_the_signature_covers_time_and_body() -> None:
    """It is HMAC-SHA256 over `TIME.BODY`: another time or body has another one."""
    signed = signature("secret", 1767225600, b"{}")

    assert signed == (
        "fa7eaa06bf97d7815f3f456e97cde70c9e50cb005f01660c8d10b10c21964887"
    )
    assert signature("secret", 1767225601, b"{}") != signed
    assert signature("secret", 1767225600, b"[]") != signed
