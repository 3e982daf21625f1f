"""The same broker and topics as the integration tests, and workers to be killed."""

from __future__ import annotations

from tests.integration.conftest import bootstrap, topics
from tests.integration.processors.conftest import side, workers

__all__ = ["bootstrap", "side", "topics", "workers"]
