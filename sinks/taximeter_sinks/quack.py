"""Serving the ledger to other processes while it is written, and asking such a server.

DuckDB's own remote protocol, Quack: the sink's process listens with a token, and
every query that arrives is held against `read_only.RULE` first.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from errno import EADDRINUSE
from typing import Any, Final, NamedTuple, TypeVar

import duckdb

from taximeter_schemas.errors import ConfigurationError, QueryFailed, QueryRefused
from taximeter_sinks.ledger_file import load_extension
from taximeter_sinks.read_only import RULE, install_rule
from taximeter_sinks.sql_text import sql_literal

__all__ = [
    "QuackClient",
    "Read",
    "Rows",
    "ServedLedger",
    "ServerAway",
    "as_rows",
    "serve",
    "stop_serving",
]

T = TypeVar("T")
Read = Callable[[duckdb.DuckDBPyConnection], T]
"""Takes an answer from the connection that has it."""

_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_MIN_TOKEN: Final = 4


@dataclass(frozen=True)
class ServedLedger:
    """Where a sink serves its ledger, and the token that it asks for."""

    host: str
    port: int
    token: str = field(repr=False)

    @property
    def uri(self) -> str:
        """The address as DuckDB's `ATTACH` and `quack_query` take it."""
        return f"quack:{self.host}:{self.port}"


class Rows(NamedTuple):
    """The answer to a query."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def named(self) -> list[dict[str, Any]]:
        """Return each row by the names of its columns.

        >>> Rows(["model", "calls"], [("gpt-4o", 7)]).named()
        [{'model': 'gpt-4o', 'calls': 7}]
        """
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def as_rows(answer: duckdb.DuckDBPyConnection) -> Rows:
    """Return all of an answer."""
    return Rows([column[0] for column in answer.description], answer.fetchall())


class ServerAway(Exception):
    """Nothing answers at the address, or it does not take the token."""


def serve(
    ledger: duckdb.DuckDBPyConnection, host: str, port: int, token: str
) -> ServedLedger:
    """Serve an open ledger read-only, and lock its configuration for good.

    Args:
        ledger: the writer's connection; it can be used on as before.
        host: what to listen on; anything but this machine's own name is reached
            without encryption, so keep it inside a private network.
        port: 0 for a free one.
        token: what clients have to show, at least 4 characters.

    Raises:
        ConfigurationError: if the port is taken or the token too short.
    """
    if len(token) < _MIN_TOKEN:
        raise ConfigurationError(f"a Quack token has at least {_MIN_TOKEN} characters")
    if port:
        _require_free(host, port)
    served = ServedLedger(host, port or _free_port(), token)
    load_extension(ledger, "httpfs")
    load_extension(ledger, "quack")
    install_rule(ledger)
    ledger.execute(f"SET GLOBAL quack_authorization_function = '{RULE}'")
    _listen(ledger, served)
    ledger.execute("SET GLOBAL enable_external_access = false")
    ledger.execute("SET GLOBAL lock_configuration = true")
    return served


def _listen(ledger: duckdb.DuckDBPyConnection, served: ServedLedger) -> None:
    elsewhere = served.host not in _LOCAL
    try:
        ledger.execute(
            f"CALL quack_serve({sql_literal(served.uri)}, "
            f"token := {sql_literal(served.token)}, "
            f"allow_other_hostname := {elsewhere})"
        )
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(
            f"cannot serve the ledger on {served.host}:{served.port} ({reason}): "
            "give another port"
        ) from error


def stop_serving(ledger: duckdb.DuckDBPyConnection, served: ServedLedger) -> None:
    """Stop listening; queries that are under way end first."""
    ledger.execute(f"CALL quack_stop({sql_literal(served.uri)})")


class QuackClient:
    """Asks a served ledger, one query a round trip, from any thread."""

    def __init__(self, served: ServedLedger) -> None:
        self.served = served
        self._duckdb = duckdb.connect()
        self._duckdb.execute("SET GLOBAL TimeZone = 'UTC'")
        load_extension(self._duckdb, "httpfs")
        load_extension(self._duckdb, "quack")

    def query(self, sql: str) -> Rows:
        """Return all of the server's answer; raises as `ask`."""
        return self.ask(sql, as_rows)

    def ask(self, sql: str, read: Read[T]) -> T:
        """Return the server's answer, as `read` reads it.

        Raises:
            ServerAway: if nothing answers or the token is wrong.
            QueryRefused: if the query does more than read.
            QueryFailed: if the server could not answer it.
        """
        session = self._duckdb.cursor()
        uri, token = sql_literal(self.served.uri), sql_literal(self.served.token)
        try:
            # Without parameters: for those DuckDB imports pandas, if it is there.
            answer = session.execute(
                f"SELECT * FROM quack_query({uri}, {sql_literal(sql)}, "  # noqa: S608
                f"token := {token}, disable_ssl := true)"
            )
            return read(answer)
        except duckdb.Error as error:
            raise _translated(error) from error
        finally:
            session.close()

    def close(self) -> None:
        """Let go of the client's own DuckDB."""
        self._duckdb.close()


def _translated(error: duckdb.Error) -> Exception:
    words = str(error).split("\n\nLINE 1: SELECT * FROM quack_query")[0]
    if "Authorization failed" in words:
        return QueryRefused()
    if "Authentication failed" in words:
        return ServerAway("the sink does not take the token")
    if isinstance(error, duckdb.IOException | duckdb.HTTPException):
        return ServerAway(words.splitlines()[0])
    return QueryFailed(words)


def _require_free(host: str, port: int) -> None:
    """Refuse a port that is taken: Quack itself would share it with the other one."""
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            if error.errno == EADDRINUSE:
                raise ConfigurationError(
                    f"cannot serve the ledger on {host}:{port}, which is taken: "
                    "give another port"
                ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
