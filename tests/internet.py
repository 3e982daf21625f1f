"""The internet, as far as a test needs it: every https host is answered right here.

A proxy on this machine, which programs find by their environment as any proxy, with
a certificate of its own for the hosts named. Nothing leaves the machine.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Arrived", "Internet", "an_internet"]

_YEAR = timedelta(days=365)


class Arrived(NamedTuple):
    """One request, as its host has it."""

    host: str
    path: str
    body: bytes


@dataclass
class Internet:
    """What came for any host; `status` answers all of it.

    `settings` are the variables by which a program takes it for the internet.
    """

    settings: dict[str, str]
    status: int = 200
    arrived: list[Arrived] = field(default_factory=list[Arrived])


@contextmanager
def an_internet(folder: Path, hosts: Sequence[str]) -> Iterator[Internet]:
    """Answer for some hosts while the block runs; keys are kept in a folder."""
    certificate = _certificate(folder, hosts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Handler(BaseHTTPRequestHandler):
        host = ""

        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.host = self.path.partition(":")[0]
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", 0)
            self.close_connection = False

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.arrived.append(Arrived(self.host, self.path, body))
            self.send_response(known.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            self.close_connection = True
            self.connection.close()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy = f"http://127.0.0.1:{server.server_address[1]}"
    trusted = str(certificate)
    known = Internet({"HTTPS_PROXY": proxy, "REQUESTS_CA_BUNDLE": trusted})
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _certificate(folder: Path, hosts: Sequence[str]) -> Path:
    """Write a key and a certificate that vouches for itself, for these hosts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)  # noqa: TID251 - TLS asks the real clock
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _YEAR)
        .not_valid_after(now + _YEAR)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file
