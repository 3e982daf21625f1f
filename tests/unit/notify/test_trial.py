"""`taximeter notify test`: whether a route works, before anything has to be told."""

from __future__ import annotations

from pathlib import Path

import yaml
from click.testing import CliRunner

from taximeter.cli import cli
from taximeter_schemas.errors import NotDelivered
from tests.receiving import a_mail_server, a_webhook_server


def test_a_route_is_tried(tmp_path: Path) -> None:
    """A made-up alert arrives along that route alone; a refusal is told."""
    file, run = tmp_path / "notify.yaml", CliRunner().invoke
    with a_webhook_server() as hook, a_mail_server() as mail:
        billing = {"url": hook.url, "sign_with": "a"}
        finance = {"server": mail.url, "from": "t@example.org", "to": ["f@example.org"]}
        routes = [
            {"name": "billing", "webhook": billing},
            {"name": "finance", "email": finance},
        ]
        file.write_text(yaml.safe_dump({"routes": routes}))
        words = ["notify", "test", "--config", str(file)]
        assert run(cli, [*words, "finance"]).exit_code == 0
        assert [one["To"] for one in mail.accepted] == ["f@example.org"]
        assert hook.accepted == []
        hook.accepting = False
        refused = run(cli, [*words, "billing"])
    assert isinstance(refused.exception, NotDelivered)
    assert "billing" in str(refused.exception)
    assert any("a-test-of-taximeter-notify" in line for line in mail.lines())
