"""What every test may rely on: nothing of the caller's own settings reaches it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from taximeter.broker.ladder import broker

# How long an example takes says more about the machine than about the code.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

# What is started in the background ignores Ctrl-C, and so would what tests start and
# interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The one setting that tests are meant to be given from outside: where Kafka is.
_KEPT = {"TAXIMETER_BOOTSTRAP"}


@pytest.fixture(autouse=True)
def _settings_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - _KEPT:
        if name.startswith("TAXIMETER_"):
            monkeypatch.delenv(name)


def _note(words: str) -> None:
    print(words, file=sys.stderr)


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a real broker; without one the tests fail, never skip."""
    with broker(tmp_path_factory.mktemp("kafka"), _note) as address:
        yield address
