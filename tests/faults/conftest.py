"""An installation a test, on the session's one broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.installations import Installation, an_installation

__all__ = ["place"]


@pytest.fixture
async def place(bootstrap: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """Give fresh topics, and workers on them to be killed."""
    async with an_installation(bootstrap, tmp_path) as installation:
        yield installation
