"""What every test may rely on: nothing of the caller's own settings reaches it."""

from __future__ import annotations

import os

import pytest

# The one setting that tests are meant to be given from outside: where Kafka is.
_KEPT = {"TAXIMETER_BOOTSTRAP"}


@pytest.fixture(autouse=True)
def _settings_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - _KEPT:
        if name.startswith("TAXIMETER_"):
            monkeypatch.delenv(name)
