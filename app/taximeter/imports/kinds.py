"""The kinds of logs that can be imported, by the names that the command takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from taximeter.imports import (
    anthropic_usage,
    helicone,
    langfuse,
    litellm_spend,
    llm_tool,
    openai_usage,
)
from taximeter.imports.context import Format
from taximeter.imports.entries import Entry, Form, results_of
from taximeter.imports.files import Files
from taximeter.imports.mapped import ColumnMap, mapped_events
from taximeter_schemas.errors import ConfigurationError

__all__ = ["KINDS", "MAPPED", "Kind", "Logs", "kind_named"]


def _as_it_is(entry: Entry) -> Iterator[Entry]:
    yield entry


class Logs(Protocol):
    """The files of an import; `done` of `total` bytes are read."""

    @property
    def done(self) -> int:
        """How many bytes have been read."""
        ...

    @property
    def total(self) -> int:
        """How many there are."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Yield every row of every file."""
        ...


@dataclass(frozen=True)
class Kind:
    """How one kind of log is read.

    Attributes:
        events: turns a row into events.
        expand: takes an entry of the file apart, where it has several rows.
        form: what the file is, whatever its name says.
        opened: reads the files.
    """

    events: Format
    expand: Callable[[Entry], Iterator[Entry]] = _as_it_is
    form: Form | None = None
    opened: Callable[[Sequence[Path], Form | None], Logs] = Files


KINDS: Final[Mapping[str, Kind]] = {
    "litellm": Kind(litellm_spend.events),
    "langfuse": Kind(langfuse.events),
    "helicone": Kind(helicone.events),
    "llm": Kind(llm_tool.events, opened=llm_tool.LoggedFiles),
    "openai": Kind(openai_usage.events, results_of),
    "anthropic": Kind(anthropic_usage.events, results_of),
}
MAPPED: Final[Mapping[str, Form]] = {"csv": "csv", "jsonl": "lines"}


def kind_named(name: str, columns: ColumnMap | None) -> Kind:
    """Return how a kind of log is read.

    Args:
        name: one of `KINDS` or `MAPPED`.
        columns: the mapping, which the latter need and the former have no use for.

    Raises:
        ConfigurationError: there is a mapping too many, or none.
    """
    if name in MAPPED:
        if columns is None:
            raise ConfigurationError(
                f"{name} needs a mapping: --map occurred_at=COLUMN --map model=COLUMN "
                "--map input_tokens=COLUMN …, or --mapping FILE.yaml"
            )
        return Kind(mapped_events(columns), form=MAPPED[name])
    if columns is not None:
        raise ConfigurationError(
            f"{name} has columns of its own: leave the mapping out"
        )
    return KINDS[name]
