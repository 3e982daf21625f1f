"""People's ends of notifications, on this machine: a webhook server, a mail server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from taximeter.broker.ports import free_port

__all__ = ["MailServer", "WebhookServer", "a_mail_server", "a_webhook_server"]


@dataclass
class Posted:
    """One request that was accepted."""

    headers: dict[str, str]
    body: bytes

    @property
    def alerts(self) -> list[dict[str, object]]:
        """The alerts that it held."""
        alerts: list[dict[str, object]] = json.loads(self.body)["alerts"]
        return alerts


@dataclass
class WebhookServer:
    """Keeps what it accepts; refuses, or says nothing at all, while told so."""

    url: str = ""
    accepting: bool = True
    silent: bool = False
    refused: int = 0
    accepted: list[Posted] = field(default_factory=list[Posted])
    unanswered: list[Posted] = field(default_factory=list[Posted])
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, posted: Posted) -> int:
        """Return the status for a request."""
        if self.silent:
            self.unanswered.append(posted)
            self.over.wait(60)
            return 500
        if self.accepting:
            self.accepted.append(posted)
            return 204
        self.refused += 1
        return 503

    def alerts(self) -> list[dict[str, object]]:
        """Return every alert that was accepted, as often as it was."""
        return [one for posted in self.accepted for one in posted.alerts]

    def alert_ids(self) -> list[str]:
        """Return the ids of those."""
        return [str(alert["alert_id"]) for alert in self.alerts()]


@contextmanager
def a_webhook_server() -> Iterator[WebhookServer]:
    """Serve a webhook while the block runs."""
    known = WebhookServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = known.answer(Posted(dict(self.headers), body))
            try:
                self.send_response(status)
                self.end_headers()
            except OSError:  # the client was killed
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield known
    finally:
        known.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class MailServer:
    """Keeps the mails that it accepts; puts them off while told so."""

    url: str = ""
    accepting: bool = True
    refused: int = 0
    accepted: list[Message] = field(default_factory=list[Message])

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail or put it off."""
        if not self.accepting:
            self.refused += 1
            return "451 later"
        self.accepted.append(message_from_bytes(envelope.original_content or b""))
        return "250 OK"

    def lines(self) -> list[str]:
        """Return every line of every mail's text."""
        texts = [mail.get_payload(decode=True) for mail in self.accepted]
        return [
            line
            for text in texts
            if isinstance(text, bytes)
            for line in text.decode().splitlines()
        ]


@contextmanager
def a_mail_server() -> Iterator[MailServer]:
    """Serve SMTP while the block runs."""
    known = MailServer()
    controller = Controller(known, hostname="127.0.0.1", port=free_port())
    controller.start()
    known.url = f"smtp://127.0.0.1:{controller.port}"
    try:
        yield known
    finally:
        controller.stop()
