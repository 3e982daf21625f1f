"""docs/integrations.md says what the tests prove of each client, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proving import ROWS, page, proofs, proves

DOCS = Path(__file__).parents[2] / "docs" / "integrations.md"


def test_the_table_is_what_the_tests_prove() -> None:
    """`python -m tests.proving` writes it."""
    text = DOCS.read_text()
    assert "<!-- proved -->" in text
    assert text == page(text)


def test_what_every_client_is_held_to() -> None:
    """Tokens, streams, failures, dedupe and privacy are proved for all of them."""
    found = {(one.client, one.what) for one in proofs()}
    least = ("tokens", "async", "streaming", "cut", "errors", "once", "secrets")
    missing = [(c, what) for c in ROWS for what in least if (c, what) not in found]
    assert missing == [("bedrock", "async")]  # boto3 has no asynchronous client


def test_a_proof_of_something_unknown_is_refused() -> None:
    """A misspelt proof would not be in the table."""
    with pytest.raises(ValueError, match="no such proof"):
        proves("openai", "streeming")
