"""`taximeter notify` as a process: killed, shut out, refused, and never twice."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from taximeter.broker.topic_io import publish, read_topic
from taximeter.notify.delivery_state import DeliveryState, delivery_event
from taximeter.state import DataDir
from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.topics import Topics
from tests.alerting import a_crossing
from tests.receiving import MailServer, WebhookServer, a_mail_server, a_webhook_server
from tests.running_system import TAXIMETER, environment
from tests.waiting import eventually

PLANTED = "pl4nted-s3cret"
SECONDS = 60.0

ROUTES = """
routes:
  - name: hook
    webhook: {url: "${HOOK}/pl4nted-s3cret-path", sign_with: "${PLANTED}"}
    group: {seconds: 0.2}
    retries: {attempts: 1000, first_seconds: 0.2, most_seconds: 0.2}
  - name: mail
    email: {server: "${MAIL}", from: taximeter@example.org, to: [ops@example.org]}
    group: {seconds: 0.2}
    retries: {attempts: 1000, first_seconds: 0.2, most_seconds: 0.2}
    texts: {line: "{budget_id}"}
"""


class Notify:
    """One installation's notifier: as many processes as a test makes of it."""

    def __init__(self, folder: Path, bootstrap: str, topics: Topics) -> None:
        self.data = DataDir(folder)
        self.bootstrap = bootstrap
        self.topics = topics
        self.log = folder / "notify.log"
        self.file = folder / "notify.yaml"
        self.settings: dict[str, str] = {"PLANTED": PLANTED}
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """Start a process and wait until it works."""
        where = ("--bootstrap", self.bootstrap, "--prefix", self.topics.prefix)
        more = ("--data", str(self.data.path), "--config", str(self.file))
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*TAXIMETER, "notify", *where, *more],
                stdout=log,
                stderr=log,
                env=environment() | self.settings,
            )
        self.processes.append(process)
        eventually(lambda: self._works(process), SECONDS)
        return process

    def _works(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, self.log.read_text()
        state = self.data.state("notify")
        return state is not None and state.pid == process.pid

    async def raise_alerts(
        self, budgets: Sequence[str], percent: int = 80
    ) -> list[BudgetThresholdCrossed]:
        """Write an alert for each budget, over all partitions."""
        alerts = [
            a_crossing(budget_id=name, threshold_percent=percent) for name in budgets
        ]
        records = [
            (alert.budget_id.encode(), alert.model_dump_json().encode())
            for alert in alerts
        ]
        topic = self.topics.budget_alerts
        for partition in range(topic.partitions):
            mine = records[partition :: topic.partitions]
            await publish(self.bootstrap, topic, mine, partition)
        return alerts

    def resend(self, *arguments: str) -> list[dict[str, object]]:
        """Ask for what was given up once more; return what was shown."""
        where = ("--bootstrap", self.bootstrap, "--prefix", self.topics.prefix)
        done = subprocess.run(
            [*TAXIMETER, "notify", "resend", *where, *arguments, "--format", "json"],
            capture_output=True,
            text=True,
            check=True,
            env=environment() | self.settings,
        )
        rows: list[dict[str, object]] = json.loads(done.stdout)
        return rows

    async def state(self) -> DeliveryState:
        """Return what the delivery log says."""
        state = DeliveryState()
        for record in await read_topic(self.bootstrap, self.topics.deliveries):
            state.apply([delivery_event(record.value)])
        return state

    async def settled(self, count: int) -> None:
        """Wait until so many deliveries have been settled, as the part says."""

        def enough() -> bool:
            said = self.data.state("notify")
            facts = said.facts if said else {}
            known = facts.get("delivered", 0) + facts.get("failed_deliveries", 0)
            return bool(known >= count)

        await asyncio.to_thread(eventually, enough, SECONDS)


@pytest.fixture
def notify(bootstrap: str, topics: Topics, tmp_path: Path) -> Iterator[Notify]:
    """Give an installation's notifier; whatever runs of it in the end is killed."""
    given = Notify(tmp_path, bootstrap, topics)
    yield given
    for process in given.processes:
        process.kill()
        process.wait()


@pytest.fixture
def hook() -> Iterator[WebhookServer]:
    """Give a webhook server."""
    with a_webhook_server() as server:
        yield server


@pytest.fixture
def mail() -> Iterator[MailServer]:
    """Give a mail server."""
    with a_mail_server() as server:
        yield server


def _two_routes(notify: Notify, hook: WebhookServer, mail: MailServer) -> None:
    notify.file.write_text(ROUTES)
    notify.settings |= {"HOOK": hook.url, "MAIL": mail.url}


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


async def test_each_alert_arrives_once_across_two_kills(
    notify: Notify, hook: WebhookServer, mail: MailServer
) -> None:
    """Killed between attempts, with alerts raised meanwhile: none twice, none lost."""
    _two_routes(notify, hook, mail)
    first = notify.start()
    alerts = await notify.raise_alerts([f"a{n}" for n in range(6)])
    await notify.settled(12)

    hook.accepting = mail.accepting = False
    alerts += await notify.raise_alerts([f"b{n}" for n in range(5)])
    eventually(lambda: hook.refused and mail.refused, SECONDS)
    _kill(first)
    alerts += await notify.raise_alerts([f"c{n}" for n in range(3)])

    hook.refused = mail.refused = 0
    second = notify.start()
    eventually(lambda: hook.refused and mail.refused, SECONDS)
    _kill(second)
    alerts += await notify.raise_alerts([f"d{n}" for n in range(2)])

    hook.accepting = mail.accepting = True
    third = notify.start()
    await notify.settled(32)
    third.send_signal(signal.SIGTERM)
    assert third.wait(SECONDS) == 0
    notify.start()
    alerts += await notify.raise_alerts(["last"])
    await notify.settled(34)

    assert Counter(hook.alert_ids()) == {str(one.alert_id): 1 for one in alerts}
    assert Counter(mail.lines()) == {one.budget_id: 1 for one in alerts}
    state = await notify.state()
    assert (state.count, state.delivered, state.failed) == (0, 34, 0)
    await _no_secret_anywhere(notify)
    _check_signatures(hook)


async def _no_secret_anywhere(notify: Notify) -> None:
    written = [
        record.value or b""
        for topic in (notify.topics.deliveries, notify.topics.dead_letters)
        for record in await read_topic(notify.bootstrap, topic)
    ]
    said = [notify.log.read_bytes(), *written]
    said += [file.read_bytes() for file in notify.data.path.glob("state/*")]
    assert b"route hook: attempt 1 failed: HTTP 503" in said[0]
    assert not [text for text in said if PLANTED.encode() in text]


def _check_signatures(hook: WebhookServer) -> None:
    for posted in hook.accepted:
        signed = f"{posted.headers['Taximeter-Timestamp']}.".encode() + posted.body
        wanted = hmac.new(PLANTED.encode(), signed, hashlib.sha256).hexdigest()
        assert posted.headers["Taximeter-Signature"] == f"v1={wanted}"
        key = json.loads(posted.body)["message_id"]
        assert posted.headers["Idempotency-Key"] == key


async def test_what_a_kill_leaves_open_is_repeated_under_the_same_key(
    notify: Notify, hook: WebhookServer, mail: MailServer
) -> None:
    """Killed while the target thinks: the same alerts again, with the same key."""
    _two_routes(notify, hook, mail)
    hook.silent = True
    first = notify.start()
    await notify.raise_alerts(["a", "b"])
    eventually(lambda: hook.unanswered, SECONDS)
    await notify.settled(2)  # the mails: killed meanwhile, one would be repeated, too
    _kill(first)
    hook.silent = False
    await notify.raise_alerts(["c"])
    notify.start()
    await notify.settled(6)

    keys = [posted.headers["Idempotency-Key"] for posted in hook.accepted]
    assert keys[0] == hook.unanswered[0].headers["Idempotency-Key"]
    assert hook.accepted[0].body == hook.unanswered[0].body
    assert len(keys) == len(set(keys)) > 1
    assert max(Counter(hook.alert_ids()).values()) == 1
    assert max(Counter(mail.lines()).values()) == 1


async def test_the_last_refusal_is_a_dead_letter(
    notify: Notify, hook: WebhookServer, mail: MailServer
) -> None:
    """A route that is refused for good gives up; the other one is not held up."""
    _two_routes(notify, hook, mail)
    text = ROUTES.replace("attempts: 1000", "attempts: 2", 1)
    notify.file.write_text(text)
    hook.accepting = False
    notify.start()
    (alert,) = await notify.raise_alerts(["prod"])
    await notify.settled(2)

    state = await notify.state()
    letters = await read_topic(notify.bootstrap, notify.topics.dead_letters)
    (letter,) = [json.loads(record.value or b"") for record in letters]
    assert (state.delivered, state.failed, hook.refused) == (1, 1, 2)
    assert mail.lines() == ["prod"]
    assert letter["reason"] == "delivery_failed"
    assert letter["detail"] == "route hook: HTTP 503 (2 attempts)"
    assert letter["origin_topic"] == notify.topics.budget_alerts.name
    assert str(alert.alert_id) not in hook.alert_ids()


async def test_what_was_given_up_is_sent_again_when_it_is_asked_for(
    notify: Notify, hook: WebhookServer, mail: MailServer
) -> None:
    """Once, by the notifier that runs; its dead letter is closed, and it stays so."""
    _two_routes(notify, hook, mail)
    notify.file.write_text(ROUTES.replace("attempts: 1000", "attempts: 1", 1))
    hook.accepting = False
    first = notify.start()
    (alert,) = await notify.raise_alerts(["prod"])
    await notify.settled(2)
    hook.accepting = True

    shown = await asyncio.to_thread(notify.resend, "--dry-run")
    asked = await asyncio.to_thread(notify.resend, "--route", "ho*")
    await asyncio.to_thread(eventually, lambda: bool(hook.alert_ids()), SECONDS)

    assert [row["route"] for row in shown] == ["hook"]
    assert asked == shown
    assert await asyncio.to_thread(notify.resend) == []
    letters = await read_topic(notify.bootstrap, notify.topics.dead_letters)
    kinds = [json.loads(letter.value or b"")["event_type"] for letter in letters]
    assert kinds == ["DeadLetter", "DeadLetterRetried"]
    assert len({letter.key for letter in letters}) == 1
    first.kill()
    first.wait()
    notify.start()
    await notify.raise_alerts(["other"])
    await asyncio.to_thread(eventually, lambda: len(hook.alert_ids()) > 1, SECONDS)
    assert Counter(hook.alert_ids())[str(alert.alert_id)] == 1
    assert Counter(mail.lines())["prod"] == 1


async def test_a_second_notifier_shuts_out_the_first(
    notify: Notify, hook: WebhookServer, mail: MailServer
) -> None:
    """Of two at the same time the earlier one ends before it sends anything more."""
    _two_routes(notify, hook, mail)
    first = notify.start()
    notify.start()
    await notify.raise_alerts(["a", "b", "c"])
    await notify.settled(6)

    assert await asyncio.to_thread(first.wait, SECONDS) == 1
    assert "another process does" in notify.log.read_text()
    assert max(Counter(hook.alert_ids()).values()) == 1
    assert Counter(mail.lines()) == {"a": 1, "b": 1, "c": 1}


async def test_what_was_raised_before_the_first_start_is_history(
    notify: Notify, hook: WebhookServer, mail: MailServer
) -> None:
    """The very first notifier begins with what is raised from then on."""
    _two_routes(notify, hook, mail)
    await notify.raise_alerts(["old"] * 4)
    notify.start()
    await notify.raise_alerts(["new"])
    await notify.settled(2)

    assert "delivering alerts along hook, mail" in notify.log.read_text()
    assert mail.lines() == ["new"]
    assert len(hook.alert_ids()) == 1
