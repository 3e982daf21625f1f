"""A local server that answers as a provider does, for the providers' own clients."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Asked", "Replay", "Reply", "replaying"]


@dataclass
class Reply:
    """One answer, in the parts in which it is sent.

    Attributes:
        hold: what the server waits for after the first part.
        cut: whether the connection breaks instead of ending.
    """

    parts: list[bytes]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    hold: threading.Event | None = None
    cut: bool = False

    def compressed(self) -> Reply:
        """Return the same answer in gzip, as providers send it."""
        whole = gzip.compress(b"".join(self.parts))
        half = len(whole) // 2
        headers = self.headers | {"content-encoding": "gzip"}
        return Reply([whole[:half], whole[half:]], self.status, headers)


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Replay:
    """The server's address, what it will answer, and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []

    def answers(self, *replies: Reply) -> None:
        """Answer the next requests with these; the last one stays."""
        self.replies = list(replies)

    def next(self) -> Reply:
        """Return what the next request is answered with."""
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, replay: Replay) -> None:
        super().__init__(("127.0.0.1", 0), _Provider)
        self.replay = replay

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""
        del request, client_address


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer with what comes next."""
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        assert isinstance(self.server, _Server)
        replay = self.server.replay
        replay.asked.append(Asked(self.command, self.path, headers, body))
        try:
            self._send(replay.next())
        except OSError:
            self.close_connection = True  # the client went away

    do_GET = do_POST  # noqa: N815

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for at, part in enumerate(reply.parts):
            if part:  # an empty one would be the end
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            if at == 0 and reply.hold is not None:
                reply.hold.wait(30)
        if reply.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""
        del format, args


@contextmanager
def replaying() -> Iterator[Replay]:
    """Serve on a free port of this machine for as long as the block runs."""
    replay = Replay()
    server = _Server(replay)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    replay.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield replay
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
