"""Workers, and the broker seen from outside, on fresh topics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from taximeter_schemas.topics import Topics
from tests.integration.processors.broker_side import BrokerSide
from tests.integration.processors.workers import Workers


@pytest.fixture
def side(bootstrap: str, topics: Topics) -> BrokerSide:
    """Send and read beside the worker."""
    return BrokerSide(bootstrap, topics)


@pytest.fixture
def workers(bootstrap: str, topics: Topics, tmp_path: Path) -> Iterator[Workers]:
    """Start workers that end with the test."""
    started = Workers(bootstrap, topics, tmp_path)
    yield started
    started.close()
