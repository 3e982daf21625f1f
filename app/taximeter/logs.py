"""Where words for people go: stderr, and a file a part under the data directory."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import BinaryIO

import click

__all__ = ["configure", "open_log", "say"]

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LARGE_BYTES = 10 * 1024 * 1024

# They report every connection attempt, and mode runs at DEBUG unless told otherwise.
_CHATTY = ("aiokafka", "faust", "mode", "asyncio", "uvicorn.access", "LiteLLM")


def configure(level: int = logging.INFO) -> None:
    """Send log records of this process to stderr; other people's only from WARNING."""
    logging.basicConfig(stream=sys.stderr, level=level, format=_FORMAT)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def open_log(file: Path) -> BinaryIO:
    """Open a part's log for appending; a large one is put aside first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and file.stat().st_size > _LARGE_BYTES:
        file.replace(file.with_suffix(".1.log"))
    return file.open("ab")


def say(words: str) -> None:
    """Tell the person at the terminal; results go to stdout, this does not."""
    click.echo(words, err=True)
