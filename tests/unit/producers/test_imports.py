"""The package stays light to import, and every public name is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import taximeter_producers

LIGHT = """
import sys
import taximeter_producers
assert "pydantic" not in sys.modules
from taximeter_producers import KafkaEmitter, MemoryEmitter, attribute
assert "litellm" not in sys.modules
"""


def test_importing_the_package_imports_neither_pydantic_nor_litellm() -> None:
    """Only what is named is imported, and only the callback's name needs litellm."""
    path = f"import sys; sys.path[:0] = {sys.path!r}"
    subprocess.run([sys.executable, "-c", path + LIGHT], check=True)


@pytest.mark.parametrize(
    "name", sorted(set(taximeter_producers.__all__) - {"LiteLLMCallback"})
)
def test_every_public_name_is_there(name: str) -> None:
    """What `__all__` promises can be imported from the package."""
    assert getattr(taximeter_producers, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name fails as it does in any module."""
    with pytest.raises(AttributeError, match="KafkaEmiter"):
        _ = taximeter_producers.KafkaEmiter  # pyright: ignore[reportAttributeAccessIssue]
