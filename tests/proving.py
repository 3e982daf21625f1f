"""What the tests prove of each client, and the table of docs/integrations.md from it.

``python -m tests.proving`` writes the table; with ``--check`` it writes nothing and
fails where the page is stale. The tests are read, not run: that they pass is what the
suite is for.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

__all__ = ["COLUMNS", "ROWS", "page", "proofs", "proves"]

_ROOT: Final = Path(__file__).parents[1]
_PAGE: Final = _ROOT / "docs" / "integrations.md"
_TESTS: Final = _ROOT / "tests" / "integration" / "wrapping"
_PLACE: Final = re.compile(r"(<!-- proved -->\n).*?(<!-- /proved -->)", re.DOTALL)

COLUMNS: Final = {
    "tokens": "tokens by class",
    "async": "async",
    "streaming": "streams",
    "cut": "streams cut short",
    "errors": "failed calls",
    "retries": "each attempt, linked",
    "batches": "batches",
    "media": "images, audio",
    "once": "seen twice, counted once",
    "secrets": "no secret is sent",
}

# Each row by its name in `proves`: what people call it, and the pinned distribution.
ROWS: Final = {
    "openai": ("OpenAI", "openai"),
    "anthropic": ("Anthropic", "anthropic"),
    "google": ("google-genai", "google-genai"),
    "mistral": ("Mistral", "mistralai"),
    "cohere": ("Cohere", "cohere"),
    "bedrock": ("boto3 Bedrock", "boto3"),
    "litellm": ("litellm callback", "litellm"),
    "langchain": ("LangChain", "langchain-core"),
    "llama_index": ("LlamaIndex", "llama-index-core"),
    "pydantic_ai": ("Pydantic AI", "pydantic-ai-slim"),
    "openai_agents": ("OpenAI Agents SDK", "openai-agents"),
}


@dataclass(frozen=True)
class Proof:
    """One test that proves something of one client."""

    client: str
    what: str
    file: str
    test: str


def proves(client: str, *what: str) -> pytest.MarkDecorator:
    """Mark a test as the proof that something of a client is captured."""
    unknown = [one for one in what if one not in COLUMNS]
    if client not in ROWS or unknown or not what:
        raise ValueError(f"no such proof: {client} {what}; see tests/proving.py")
    return pytest.mark.proves(client, *what)


def proofs() -> Iterator[Proof]:
    """Yield what the tests say that they prove."""
    for file in sorted(_TESTS.glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for client, *what in _marks(node):
                    yield from (Proof(client, w, file.name, node.name) for w in what)


def page(text: str) -> str:
    """Return the page with the table as it should be."""
    table = "\n".join(_table())
    return _PLACE.sub(lambda found: f"{found[1]}{table}\n{found[2]}", text)


def _marks(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[list[str]]:
    for one in node.decorator_list:
        if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "proves":
            yield [str(ast.literal_eval(argument)) for argument in one.args]


def _table() -> Iterator[str]:
    found = list(proofs())
    yield "| | tested with | " + " | ".join(COLUMNS.values()) + " |"
    yield "|---" * (len(COLUMNS) + 2) + "|"
    for client, (name, distribution) in ROWS.items():
        cells = (_cell(found, client, what) for what in COLUMNS)
        yield f"| {name} | {_pinned(distribution)} | " + " | ".join(cells) + " |"


def _cell(found: list[Proof], client: str, what: str) -> str:
    here = [one for one in found if (one.client, one.what) == (client, what)]
    if not here:
        return ""
    link = f"../tests/integration/wrapping/{here[0].file}"
    return f"[yes]({link} '{here[0].test}')"


def _pinned(distribution: str) -> str:
    pins = (_ROOT / "constraints.txt").read_text()
    found = re.search(rf"^{re.escape(distribution)}==(\S+)", pins, re.MULTILINE)
    return found[1] if found else "?"


def main() -> None:
    """Write the table, or check it."""
    before = _PAGE.read_text()
    after = page(before)
    if "--check" in sys.argv:
        sys.exit(int(before != after))
    _PAGE.write_text(after)


if __name__ == "__main__":
    main()
