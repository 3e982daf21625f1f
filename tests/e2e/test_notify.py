"""`taximeter up --notify`: from a call to people, with the notifier killed twice."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path

from taximeter_schemas.records import encode_event
from tests.builders import a_usage
from tests.receiving import MailServer, WebhookServer, a_mail_server, a_webhook_server
from tests.running_system import Running, taximeter
from tests.waiting import eventually

ROUTES = """
routes:
  - name: hook
    webhook: {url: "${HOOK}", sign_with: not-so-secret}
    retries: {attempts: 1000, first_seconds: 0.2, most_seconds: 0.2}
    group: {seconds: 0.2}
  - name: mail
    email: {server: "${MAIL}", from: taximeter@example.org, to: [ops@example.org]}
    retries: {attempts: 1000, first_seconds: 0.2, most_seconds: 0.2}
    group: {seconds: 0.2}
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


def _raised(up: Running) -> list[str]:
    found = taximeter("alerts", "--data", str(up.data.path), "--format", "json")
    return [alert["alert_id"] for alert in json.loads(found.stdout)]


def _kill(up: Running, hook: WebhookServer, mail: MailServer) -> None:
    """Kill the notifier while both of its targets refuse what it brings."""
    hook.refused = mail.refused = 0
    eventually(lambda: hook.refused and mail.refused, 60)
    pid = up.pid("notify")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: up.pid("notify") not in (None, pid), 60)


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
    _kill(up, hook, mail)
    _spend(up, "dora")
    _kill(up, hook, mail)
    hook.accepting = mail.accepting = True
    eventually(lambda: len(_raised(up)) == 16, 60)
    eventually(lambda: len(hook.alert_ids()) >= 16 and len(mail.lines()) >= 16, 60)

    once = dict.fromkeys(_raised(up), 1)
    assert Counter(hook.alert_ids()) == Counter(mail.lines()) == once
    status = json.loads(taximeter("status", *data, "--format", "json").stdout)
    assert "notify" in [part["name"] for part in status["parts"] if part["running"]]
    query = "SELECT route, state, count(*) AS n FROM deliveries GROUP BY ALL ORDER BY 1"

    def in_the_ledger() -> bool:
        rows = json.loads(taximeter("sql", query, *data, "--format", "json").stdout)
        return [row["n"] for row in rows if row["state"] == "delivered"] == [16, 16]

    eventually(in_the_ledger, 60)
