"""Where everything lies: the tool's own directory, and ours inside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Home"]


@dataclass(frozen=True)
class Home:
    """One person's directory of the tool (`LLM_USER_PATH`), and what is kept in it."""

    path: Path

    @classmethod
    def of_tool(cls) -> Home:
        """Return the directory that the tool uses now."""
        import llm  # noqa: PLC0415 - whoever gives a path needs no tool

        user_dir: Callable[[], Path] = llm.user_dir
        return cls(user_dir())

    @property
    def logs_db(self) -> Path:
        """The tool's own log."""
        return self.path / "logs.db"

    @property
    def config(self) -> Path:
        """What the person has set down: `costs.yaml`."""
        return self.path / "costs.yaml"

    @property
    def data(self) -> Path:
        """A data directory like any other: the ledger is in it."""
        return self.path / "taximeter"

    @property
    def ledger(self) -> Path:
        """The DuckDB file."""
        return self.data / "ledger.duckdb"

    @property
    def noted_calls(self) -> Path:
        """What the plugin has noted of the calls that it saw."""
        return self.data / "calls.db"

    @property
    def budgets(self) -> Path:
        """Every definition and removal of a budget, one a line."""
        return self.data / "budgets.ndjson"

    @property
    def prices(self) -> Path:
        """Every version of the prices after the installed list, one a line."""
        return self.data / "prices.ndjson"

    def made(self) -> Home:
        """Make our directory, which is nobody else's to read."""
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self

    @staticmethod
    def owner() -> str:
        """Return who somebody is that changes something here."""
        return os.environ.get("USER") or os.environ.get("USERNAME") or "unknown"
