"""Targets against servers of this machine: what they send, and what they refuse."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from taximeter.broker.ports import free_port
from taximeter.notify.config import EmailTarget, Route, WebhookTarget
from taximeter.notify.messages import Message
from taximeter.notify.targets.mail import MailServer
from taximeter.notify.targets.refused import Refused
from taximeter.notify.targets.terminal import TerminalTarget
from taximeter.notify.targets.through_apprise import AppriseTarget
from taximeter.notify.targets.webhook import SignedWebhook
from taximeter.notify.templates import Texts
from taximeter.notify.trial import trial_message
from taximeter_schemas.clock import ManualClock
from taximeter_schemas.errors import ConfigurationError
from tests import receiving
from tests.alerting import an_alert
from tests.builders import NOON, an_id

CLOCK = ManualClock(NOON)


@pytest.fixture
def hook() -> Iterator[receiving.WebhookServer]:
    """Give a webhook server."""
    with receiving.a_webhook_server() as server:
        yield server


def _message() -> Message:
    return Message.of(an_id("m"), "ops", [an_alert(subject_id="ä")], Texts())


def _webhook(url: str) -> SignedWebhook:
    given = {"url": url, "sign_with": "secret"}
    return SignedWebhook(WebhookTarget.model_validate(given), CLOCK)


def _mail(url: str) -> MailServer:
    given = {"server": url, "from": "t@example.org", "to": ["a@b.c", "d@e.f"]}
    return MailServer(EmailTarget.model_validate(given), CLOCK)


async def test_a_webhook_gets_all_of_it(hook: receiving.WebhookServer) -> None:
    """JSON with the words and the alerts as they are, with key, time and signature."""
    message = _message()
    await _webhook(hook.url).send(message)

    (posted,) = hook.accepted
    fields = json.loads(posted.body)
    assert fields["title"] == message.title
    assert fields["alerts"] == [dict(message.alerts[0].fields)]
    assert posted.headers["Idempotency-Key"] == str(an_id("m"))
    assert posted.headers["Taximeter-Timestamp"] == str(int(NOON.timestamp()))


async def test_a_webhook_that_refuses_or_is_away(hook: receiving.WebhookServer) -> None:
    """The reason says what happened, and not where."""
    hook.accepting = False
    with pytest.raises(Refused, match=r"^HTTP 503$"):
        await _webhook(f"{hook.url}/token").send(_message())
    with pytest.raises(Refused, match=r"^no answer \(ConnectError\)$"):
        await _webhook(f"http://127.0.0.1:{free_port()}/token").send(_message())


async def test_a_mail_has_the_message_s_id() -> None:
    """Sent again, it has the Message-ID of the first time; all recipients get it."""
    with receiving.a_mail_server() as server:
        target = _mail(server.url)
        await target.send(_message())
        await target.send(_message())

    ids = {mail["Message-ID"] for mail in server.accepted}
    assert ids == {f"<{an_id('m')}@taximeter.invalid>"}
    assert {mail["To"] for mail in server.accepted} == {"a@b.c, d@e.f"}
    assert "user ä" in server.lines()[0]


async def test_a_mail_server_that_refuses_or_is_away() -> None:
    """Put off, not there, or without TLS for a password: it is a refusal."""
    with receiving.a_mail_server() as server:
        server.accepting = False
        with pytest.raises(Refused, match="SMTP 451"):
            await _mail(server.url).send(_message())
        secret = server.url.replace("//", "//ada:s3cret@")
        with pytest.raises(Refused, match="SMTP: SMTPNotSupportedError"):
            await _mail(secret).send(_message())
    with pytest.raises(Refused, match="SMTP: ConnectionRefusedError"):
        await _mail(f"smtp://127.0.0.1:{free_port()}").send(_message())
    assert server.accepted == []


async def test_apprise_carries_title_and_body(
    hook: receiving.WebhookServer,
) -> None:
    """What goes through Apprise arrives; its refusal has Apprise's own reason."""
    target = AppriseTarget(hook.url.replace("http", "json"))
    message = _message()
    await target.send(message)

    posted = json.loads(hook.accepted[0].body)
    assert (posted["title"], posted["message"]) == (message.title, message.body)
    assert posted["type"] == "warning"
    hook.accepting = False
    with pytest.raises(Refused, match="503"):
        await target.send(message)
    assert not logging.getLogger("apprise").propagate


@pytest.mark.parametrize(
    "url",
    [
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "pagerduty://A1BRTD4JD@0123456789abcdef0123456789abcdef",
        "workflows://prod-01.westus.logic.azure.com:443/"
        "643e69f83c8944438d68119179a10a64/aBcDeF0123456789-_aBcDeF0123456789",
    ],
)
def test_the_services_that_people_name_have_addresses(url: str) -> None:
    """Slack, Discord, PagerDuty and Teams (its workflows) are opened by theirs."""
    assert AppriseTarget(url)


def test_an_address_of_nobody_is_refused() -> None:
    """What Apprise does not know is told before anything is sent."""
    with pytest.raises(ConfigurationError, match="no address that Apprise knows"):
        AppriseTarget("pigeon://coop")


async def test_the_terminal_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """A made-up alert is shown in the route's words."""
    route = Route.model_validate({"name": "t", "terminal": True})
    await TerminalTarget().send(trial_message(route, NOON))

    title, line = capsys.readouterr().out.splitlines()
    assert title == "Taximeter, warning: 1 alert, a-test-of-taximeter-notify"
    assert line.startswith("  80 % of a-test-of-taximeter-notify: everything has spent")
