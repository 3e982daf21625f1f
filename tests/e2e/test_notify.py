"""From a call to people, with `up` and with the demo, the notifier killed twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import psutil

from taximeter.state import DataDir
from taximeter_schemas.records import encode_event
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
  - {id: each, scope: {each: user}, period: total, limit_usd: 0.006}
"""


def _spend(up: Running, *users: str) -> None:
    """Let each user make two calls, which cross every threshold of the budget."""
    calls = [a_usage(user_id=user) for user in users for _ in range(2)]
    text = "\n".join(encode_event(call).decode() for call in calls)
    assert (
        taximeter("emit", "-", "--data", str(up.data.path), text=text).returncode == 0
    )


def _raised(data: DataDir) -> list[str]:
    found = taximeter("alerts", "--data", str(data.path), "--format", "json")
    return [alert["alert_id"] for alert in json.loads(found.stdout)]


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
    """What the workers raise arrives once at each server; the ledger tells of it."""
    (tmp_path / "notify.yaml").write_text(ROUTES)
    (tmp_path / "budgets.yaml").write_text(BUDGETS)
    with a_webhook_server() as hook, a_mail_server() as mail:
        file = str(tmp_path / "notify.yaml")
        up = Running(tmp_path / "data", "--notify", file, HOOK=hook.url, MAIL=mail.url)
        try:
            _alerts_through(up, tmp_path / "budgets.yaml", hook, mail)
        finally:
            up.process.terminate()
            up.process.communicate(timeout=60)


def _alerts_through(
    up: Running, budgets: Path, hook: WebhookServer, mail: MailServer
) -> None:
    data = ("--data", str(up.data.path))
    assert taximeter("budgets", "apply", str(budgets), *data).returncode == 0
    _spend(up, "ada")
    eventually(lambda: len(hook.alert_ids()) >= 4, 60)
    hook.accepting = mail.accepting = False
    _spend(up, "bob", "cem")
    _kill(up.data, hook, mail)
    _spend(up, "dora")
    _kill(up.data, hook, mail)
    hook.accepting = mail.accepting = True
    eventually(lambda: len(_raised(up.data)) == 16, 60)
    eventually(lambda: len(hook.alert_ids()) >= 16 and len(mail.lines()) >= 16, 60)

    once = dict.fromkeys(_raised(up.data), 1)
    assert Counter(hook.alert_ids()) == Counter(mail.lines()) == once
    status = json.loads(taximeter("status", *data, "--format", "json").stdout)
    assert "notify" in [part["name"] for part in status["parts"] if part["running"]]
    query = "SELECT route, state, count(*) AS n FROM deliveries GROUP BY ALL ORDER BY 1"

    def in_the_ledger() -> bool:
        rows = json.loads(taximeter("sql", query, *data, "--format", "json").stdout)
        return [row["n"] for row in rows if row["state"] == "delivered"] == [16, 16]

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
            mailed = [line for line in mail.lines() if line in once]
            assert Counter(hook.alert_ids()) == Counter(mailed) == once
        finally:
            demo.kill()
            supervisor = int((data.path / "lock").read_text())
            os.kill(supervisor, signal.SIGTERM)
            assert eventually(lambda: not psutil.pid_exists(supervisor), 60)
