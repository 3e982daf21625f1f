"""From a call to people, with `up` and with the demo, the notifier killed twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import httpx
import psutil

from taximeter.state import DataDir
from taximeter_schemas.clock import SystemClock
from taximeter_schemas.records import encode_event
from taximeter_schemas.usage import UsageCorrected, UsageRecorded
from tests import every_alert
from tests.builders import a_usage
from tests.receiving import MailServer, WebhookServer, a_mail_server, a_webhook_server
from tests.running_system import TAXIMETER, Running, environment, taximeter
from tests.waiting import eventually

ROUTES = """
routes:
  - name: hook
    webhook: {url: "${HOOK}", sign_with: not-so-secret}
    retries: {attempts: 1000, first_seconds: 0.2, most_seconds: 0.2}
    group: {seconds: 0.2, at_most: 5}
  - name: mail
    email: {server: "${MAIL}", from: taximeter@example.org, to: [ops@example.org]}
    retries: {attempts: 1000, first_seconds: 0.2, most_seconds: 0.2}
    group: {seconds: 0.2, at_most: 5}
    texts: {line: "{alert_id}"}
"""
BUDGETS = """
budgets:
  - {id: each, scope: {each: user, except: [eve, fred]}, period: total,
     limit_usd: 0.006}
"""
NOW = SystemClock().now()


def _spend(up: Running, *users: str) -> None:
    """Let each user make two calls, which cross every threshold of the budget."""
    _emit(up, [a_usage(user_id=user) for user in users for _ in range(2)])


def _emit(up: Running, events: Sequence[UsageRecorded | UsageCorrected]) -> None:
    text = "\n".join(encode_event(event).decode() for event in events)
    said = taximeter("emit", "-", "--data", str(up.data.path), text=text)
    assert said.returncode == 0, said.stderr


def _apply(up: Running, text: str) -> None:
    said = taximeter("budgets", "apply", "-", "--data", str(up.data.path), text=text)
    assert said.returncode == 0, said.stderr


def _raised(data: DataDir) -> list[str]:
    found = taximeter("alerts", "--data", str(data.path), "--format", "json")
    return [alert["alert_id"] for alert in json.loads(found.stdout)]


def _told(up: Running) -> list[dict[str, str]]:
    """Return the alerts that the API tells of."""
    answer = httpx.get(f"{up.urls['api']}/v1/alerts", timeout=60).raise_for_status()
    alerts: list[dict[str, str]] = answer.json()["alerts"]
    return alerts


def _raise_every_kind(up: Running) -> None:
    """Let the workers raise an alert of each kind, the last ones one after another."""
    _emit(up, every_alert.calls(NOW))
    _apply(up, every_alert.budgets(NOW))
    eventually(lambda: "fred" in [alert["budget_id"] for alert in _told(up)], 60)
    _emit(up, [every_alert.correction(NOW)])


def _mailed(mail: MailServer, ids: Collection[str]) -> list[str]:
    """Return the ids among the lines of all mails, as often as they stand there."""
    return [line for line in mail.lines() if line in ids]


def _pid(data: DataDir) -> int | None:
    state = data.state("notify")
    return state.pid if state is not None and state.running else None


def _kill(data: DataDir, hook: WebhookServer, mail: MailServer) -> None:
    """Kill the notifier while both of its targets refuse what it brings."""
    hook.refused = mail.refused = 0
    eventually(lambda: hook.refused and mail.refused, 120)
    pid = _pid(data)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: _pid(data) not in (None, pid), 60)


def test_each_alert_reaches_people_once_across_two_kills(tmp_path: Path) -> None:
    """What the workers raise arrives once at each server; the ledger tells of it.

    Every kind of alert is among it, and all of budgets lead to the page.
    """
    (tmp_path / "notify.yaml").write_text(ROUTES)
    with a_webhook_server() as hook, a_mail_server() as mail:
        file = str(tmp_path / "notify.yaml")
        settings = every_alert.SETTINGS | {"HOOK": hook.url, "MAIL": mail.url}
        up = Running(tmp_path / "data", "--notify", file, **settings)
        try:
            _alerts_through(up, hook, mail)
        finally:
            up.process.terminate()
            up.process.communicate(timeout=60)


def _alerts_through(up: Running, hook: WebhookServer, mail: MailServer) -> None:
    data = ("--data", str(up.data.path))
    _apply(up, BUDGETS)
    _spend(up, "ada")
    eventually(lambda: len(hook.alert_ids()) >= 4, 60)
    hook.accepting = mail.accepting = False
    _spend(up, "bob", "cem")
    _kill(up.data, hook, mail)
    _spend(up, "dora")
    _raise_every_kind(up)
    _kill(up.data, hook, mail)
    hook.accepting = mail.accepting = True
    kinds = every_alert.KINDS + Counter(BudgetThresholdCrossed=16)
    all_ = kinds.total()

    def raised() -> bool:
        assert Counter(alert["event_type"] for alert in _told(up)) == kinds
        return True

    eventually(raised, 60)
    once = dict.fromkeys(_raised(up.data), 1)
    eventually(lambda: {*hook.alert_ids()} == {*_mailed(mail, once)} == {*once}, 60)

    crossed = [a for a in hook.alerts() if a["event_type"] == "BudgetThresholdCrossed"]
    assert {alert["link"] for alert in crossed} == {f"{up.urls['api']}/#budgets"}
    assert Counter(hook.alert_ids()) == Counter(_mailed(mail, once)) == once
    status = json.loads(taximeter("status", *data, "--format", "json").stdout)
    assert "notify" in [part["name"] for part in status["parts"] if part["running"]]
    query = "SELECT route, state, count(*) AS n FROM deliveries GROUP BY ALL ORDER BY 1"

    def in_the_ledger() -> bool:
        rows = json.loads(taximeter("sql", query, *data, "--format", "json").stdout)
        return [row["n"] for row in rows if row["state"] == "delivered"] == [all_, all_]

    eventually(in_the_ledger, 60)


def test_the_demo_reaches_people_once_across_two_kills(tmp_path: Path) -> None:
    """Each alert that a demo raises arrives once at each server."""
    (tmp_path / "notify.yaml").write_text(ROUTES)
    data = DataDir(tmp_path / "data")
    with a_webhook_server() as hook, a_mail_server() as mail:
        demo = subprocess.Popen(
            [
                *(*TAXIMETER, "demo", "--events", "2000", "--format", "json"),
                *("--keep", "--data", str(data.path)),
                *("--notify", str(tmp_path / "notify.yaml")),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment() | {"HOOK": hook.url, "MAIL": mail.url},
        )
        try:
            for _ in range(2):
                hook.accepting = mail.accepting = False
                _kill(data, hook, mail)
                hook.accepting = mail.accepting = True
            said, _ = demo.communicate(timeout=150)
            raised = _raised(data)
            assert len(raised) == json.loads(said)["alerts"] > 0
            eventually(lambda: len(hook.alert_ids()) >= len(raised), 60)
            eventually(lambda: {*raised} <= {*mail.lines()}, 60)
            once = dict.fromkeys(raised, 1)
            assert Counter(hook.alert_ids()) == Counter(_mailed(mail, once)) == once
        finally:
            demo.kill()
            supervisor = int((data.path / "lock").read_text())
            os.kill(supervisor, signal.SIGTERM)
            assert eventually(lambda: not psutil.pid_exists(supervisor), 60)
