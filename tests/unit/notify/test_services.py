"""Slack, Teams, Discord and PagerDuty: what each of them is sent, and refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from taximeter.notify.messages import Message
from taximeter.notify.targets.refused import Refused
from taximeter.notify.targets.through_apprise import AppriseTarget
from taximeter.notify.templates import Texts
from tests.alerting import an_alert
from tests.builders import an_id
from tests.internet import Internet, an_internet

AZURE = "prod-01.westus.logic.azure.com"
FLOW = "643e69f83c8944438d68119179a10a64/aBcDeF0123456789-_aBcDeF0123456789"
SERVICES = {
    "hooks.slack.com": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    "discord.com": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "events.pagerduty.com": "pagerduty://A1BRTD4JD@0123456789abcdef0123456789abcdef",
    AZURE: f"workflows://{AZURE}:443/{FLOW}",
}


@pytest.fixture
def internet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    """Give the hosts of all services, on this machine."""
    with an_internet(tmp_path, list(SERVICES)) as internet:
        for name, value in internet.settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        yield internet


@pytest.mark.parametrize("host", SERVICES)
async def test_each_service_is_told_what_happened(
    internet: Internet, host: str
) -> None:
    """The budget, whom it is about and the amounts arrive at the service's own host."""
    alert = an_alert(subject_id="alice")

    await AppriseTarget(SERVICES[host]).send(
        Message.of(an_id("m"), "ops", [alert], Texts())
    )

    (arrived,) = internet.arrived
    assert arrived.host == host
    text = arrived.body.decode().replace("\\", "")  # Apprise's, in Markdown
    assert "user alice has spent 8.50 of 10.00 USD" in text
    assert "Taximeter, warning: 1 alert, prod" in text


@pytest.mark.parametrize("host", SERVICES)
async def test_a_service_that_refuses_is_tried_again(
    internet: Internet, host: str
) -> None:
    """Its refusal is one of ours, so that the route's next attempt follows."""
    internet.status = 500
    message = Message.of(an_id("m"), "ops", [an_alert()], Texts())

    with pytest.raises(Refused, match="500"):
        await AppriseTarget(SERVICES[host]).send(message)

    assert {arrived.host for arrived in internet.arrived} == {host}
