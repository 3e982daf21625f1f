"""What is to be told arrives: on the terminal, by webhook and by mail; digests too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from taximeter.llm_costs import set_budget
from taximeter_schemas.clock import SystemClock
from tests.integration.llm_costs.conftest import CHEAP, DEAR, Tool
from tests.llm_tool import Saying, log_call, written
from tests.receiving import a_mail_server, a_webhook_server


def test_alerts_go_along_every_method_that_is_set(used: Tool) -> None:
    """A test alert and a true one: each on the terminal, by webhook and by mail."""
    with a_webhook_server() as hook, a_mail_server() as mail:
        said = used.run(
            *("costs", "set-alerts", "--method", "terminal,webhook,email"),
            *("--url", hook.url.replace("http", "json"), "--test"),
            *("--email", "ada@example.org", "--server", mail.url),
        )
        for method in ("terminal", "webhook", "email"):
            assert f"{method}: accepted" in said
        set_budget("0.005")
        said = used.run("costs", "budget-status")
    assert "everything has spent 0.00504 of 0.005 USD" in said
    test, true = (json.loads(posted.body) for posted in hook.accepted)
    assert "0.00504 of 0.005 USD" in true["message"]
    assert test["message"] != true["message"]
    assert {one["To"] for one in mail.accepted} == {"ada@example.org"}
    assert any("0.00504 of 0.005 USD" in line for line in mail.lines())


def test_digests_are_told_once(tool: Tool) -> None:
    """What was spent yesterday is said when somebody looks, and not again."""
    log_call(tool.home.logs_db, Saying(CHEAP))
    # A quarter of an hour after midnight the digest of the day is due.
    earlier = (SystemClock().now() - timedelta(days=1, minutes=15)).isoformat()
    written(tool.home.logs_db, "UPDATE turns SET datetime_utc = ?", earlier)
    assert "no alert has been raised" in tool.run("costs", "alerts")
    tool.home.config.write_text("alerts: {digests: [day]}\n")
    assert "0.00027 USD spent by 1 call (day from" in tool.run("costs")
    assert "USD spent by" not in tool.run("costs")


def test_calls_are_held_to_what_is_set(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tag is required, or given to all; above a sum a call's cost is told first."""
    tool.home.config.write_text("calls: {require_tags: true, answer_tokens: 1000}\n")
    assert "give --tags NAME" in tool.prompt(code=1)
    monkeypatch.setenv("LLM_COSTS_ASK_ABOVE_USD", "0.001")
    assert "about 0.01" in tool.prompt("--tags", "night", model=DEAR)
    assert "cost about" not in tool.prompt("--tags", "night")
    tool.home.config.write_text("calls: {tags: [laptop]}\nreports: {chart: true}\n")
    tool.prompt()
    tags = {row["tag"]: row["calls"] for row in tool.asked("costs", "by-tag")}
    assert tags == {"night": 1, "laptop": 1}
    assert "█" in tool.run("costs")


def test_prices_are_fetched_from_where_they_are_published(
    used: Tool, tmp_path: Path
) -> None:
    """--from-api asks that place, so does who looks; a price says whose it is."""
    newer = '{"gpt-4o-mini": {"litellm_provider": "openai", "mode": "chat", '
    newer += '"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}}'
    (tmp_path / "today.json").write_text(newer)
    with _published(tmp_path) as url:
        used.home.config.write_text(f"prices: {{source: '{url}/today.json'}}\n")
        words = ("costs", "update-pricing", "--from-api", "--model", CHEAP)
        assert "in force from now on" in used.run(*words)
        stated = ("--input-per-million", "3", "--output-per-million", "9")
        used.run("costs", "update-pricing", "--model", DEAR, *stated)
        shown = {row["model"]: row for row in used.asked("costs", "pricing")}
        (tmp_path / "today.json").write_text(newer.replace("1e-6", "3e-6"))
        used.home.config.write_text(
            f"prices: {{source: '{url}/today.json', update_every_days: 7}}\n"
        )
        assert "in force from now on" in used.run("costs", "status")
    cheap, dear = shown[CHEAP], shown[DEAR]
    assert cheap["output_per_million"] == "2.00"
    assert (cheap["source"], cheap["price_version"][:3]) == ("list", "own")
    assert (dear["source"], dear["input_per_million"]) == ("own", "3.00")


@contextmanager
def _published(folder: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass
