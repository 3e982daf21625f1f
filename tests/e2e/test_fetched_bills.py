"""`taximeter reconcile --fetch`: bills of providers' own APIs, here on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from taximeter.state import DataDir
from tests.e2e.reading import json_of, run
from tests.integration.sinks.reported import CHARGES, write_ledger

KEY = "sk-ant-admin-of-this-test"
DAYS = ("--from", "2026-11-20", "--to", "2026-11-23")


def a_bucket(day: int, **result: object) -> dict[str, object]:
    """Return what a report says of one day in November."""
    return {"starting_at": f"2026-11-{day}T00:00:00Z", "results": [result]}


def a_cost(day: int, cents: str) -> dict[str, object]:
    """Return what the cost report says of a model on one day."""
    what = {"cost_type": "tokens", "model": "claude-sonnet-4-5-20250929"}
    return a_bucket(day, amount=cents, currency="USD", **what)


class Provider(ThreadingHTTPServer):
    """Anthropic's two reports; the costs in two pages, and busy the first time."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.content: bytes | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str, key: str | None) -> tuple[int, bytes]:
        """Return status and body for a path with its query."""
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        self.asked.append((parts.path, query))
        if key != KEY:
            return 401, b"{}"
        if len(self.asked) == 1:
            return 429, b"{}"
        return 200, self.content or json.dumps(_page(parts.path, query)).encode()


def _page(path: str, query: dict[str, list[str]]) -> dict[str, object]:
    if "usage_report" in path:
        return {"data": [], "has_more": False, "next_page": None}
    if "page" not in query:
        return {"data": [a_cost(20, "300")], "has_more": True, "next_page": "two"}
    return {"data": [a_cost(22, "500")], "has_more": False, "next_page": None}


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Provider)
        status, body = self.server.answer(self.path, self.headers["x-api-key"])
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Serve the reports, with a key in the environment that is taken."""
    monkeypatch.setenv("ANTHROPIC_ADMIN_KEY", KEY)
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write the ledger of `reported`."""
    write_ledger(DataDir(tmp_path).ledger, CHARGES)
    return tmp_path


def test_a_bill_is_fetched_page_by_page(data: Path, provider: Provider) -> None:
    """Both reports, every page, again while it is busy."""
    fetch = ("--fetch", "anthropic", "--api-url", provider.url)
    rows = json_of("reconcile", *fetch, *DAYS, "--data", data)
    ours = [(r["day"], r["model"], r["theirs_usd"], r["explanation"]) for r in rows]
    assert ours[0] == ("2026-11-20", "claude-sonnet-4-5", "3", "equal")
    assert ("2026-11-22", "claude-sonnet-4-5", "5") in [o[:3] for o in ours]
    assert ("2026-11-22", "new", None, "not billed") in ours
    costs, usage = "/v1/organizations/cost_report", "/v1/organizations/usage_report"
    assert [path for path, _ in provider.asked] == [*[costs] * 3, usage + "/messages"]
    first, last = provider.asked[1][1], provider.asked[2][1]
    assert first["starting_at"] == ["2026-11-20T00:00:00Z"]
    assert (first["ending_at"], first["group_by[]"]) == (
        ["2026-11-23T00:00:00Z"],
        ["description"],
    )
    assert last == {**first, "page": ["two"]}


def test_what_cannot_be_fetched_is_told(
    data: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer, no bill in it, a wrong key or none: one line, without the key."""
    at = ("reconcile", "--data", data, *DAYS, "--fetch", "anthropic", "--api-url")
    away = run(*at, "http://127.0.0.1:1")
    provider.content = b'{"data": [{"results": [{"no": "shape"}], "starting_at": 1}]}'
    odd = run(*at, provider.url)
    provider.content = b"[]"
    listed = run(*at, provider.url)
    monkeypatch.setenv("ANTHROPIC_ADMIN_KEY", "sk-ant-wrong")
    wrong = run(*at, provider.url)
    monkeypatch.delenv("ANTHROPIC_ADMIN_KEY")
    without = run(*at, provider.url)
    assert "no bill from" in away.stderr
    assert "cannot be read as a bill" in odd.stderr
    assert "the answer is no page" in listed.stderr
    assert "refuses the key (401)" in wrong.stderr
    assert "set ANTHROPIC_ADMIN_KEY or" in without.stderr
    told = away, odd, listed, wrong, without
    assert not any("sk-ant" in done.stderr for done in told)
    assert not any("Traceback" in done.stderr for done in told)
    assert all(done.returncode for done in told)


def test_a_bill_can_be_a_file_or_fetched_and_has_to_be_one(data: Path) -> None:
    """Neither is an error that says both."""
    done = run("reconcile", "--data", data)
    assert "give files with bills, or --fetch" in done.stderr
    assert done.returncode == 2
