"""The examples of docs/tracker.md run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DOC = Path(__file__).parents[2] / "docs" / "tracker.md"


def test_the_examples_do_what_they_say() -> None:
    """Run one after another, as a program, they print what the page says."""
    text = DOC.read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    script = "\n".join([f"import sys; sys.path[:0] = {sys.path!r}", *blocks])
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env=os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    printed = ended.stdout.splitlines()
    assert printed[:2] == ["stopped at $0.0045 of $0.0040", "$0.0045 in 3 requests"]
    session = "session s-1 has spent 0.0015 USD of a budget of 0.001 USD"
    assert printed[2].startswith(session)
    assert session in text
    assert printed[3] == "{'ada': Decimal('0.003000000000')}"
    assert printed[4] == "0.008500000000"
    (summary,) = re.findall(r"```\n(LLM spend.*?)```", text, re.DOTALL)
    assert ended.stdout.endswith(summary)  # the first tracker says its last words last
