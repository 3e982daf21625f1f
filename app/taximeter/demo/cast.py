"""Who the demo's calls are made by, for what, and with which models: all invented.

The models are real ones that the pinned price list prices, of five providers.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["ENDPOINTS", "ERRORS", "MODELS", "PROJECTS", "USERS", "Model", "Project"]


class Model(NamedTuple):
    """A model, and how often it is chosen where nothing else decides."""

    provider: str
    name: str
    weight: int
    reasons: bool = False
    writes_cache: bool = False


class Project(NamedTuple):
    """A project, whose team it is, and the model that it mostly calls."""

    name: str
    team: str
    model: int


MODELS: Final = (
    Model("anthropic", "claude-sonnet-4-5", 22, writes_cache=True),
    Model("anthropic", "claude-haiku-4-5", 12, writes_cache=True),
    Model("openai", "gpt-5", 16, reasons=True),
    Model("openai", "gpt-5-mini", 18, reasons=True),
    Model("google", "gemini-2.5-pro", 8, reasons=True),
    Model("google", "gemini-2.5-flash", 12),
    Model("mistral", "mistral-medium-latest", 7),
    Model("deepseek", "deepseek-chat", 5),
)

PROJECTS: Final = (
    Project("support-chat", "care", 0),
    Project("search", "growth", 3),
    Project("code-review", "platform", 2),
    Project("onboarding", "growth", 5),
    Project("contracts", "legal", 4),
    Project("translation", "content", 6),
    Project("summaries", "content", 1),
    Project("analytics", "data", 2),
    Project("recommendations", "growth", 3),
    Project("voice-agent", "care", 1),
    Project("invoices", "finance", 7),
    Project("playground", "platform", 0),
)

ENDPOINTS: Final = ("/answer", "/chat", "/complete", "/rewrite", "/extract")

ERRORS: Final = ("timeout", "stream_interrupted", "content_filter", "server_error")
"""Ways to fail after the provider has worked, so that it bills what it did."""

_NAMES: Final = (
    "ada",
    "alan",
    "amara",
    "anna",
    "arjun",
    "bela",
    "bruno",
    "carla",
    "chen",
    "chloe",
    "dara",
    "david",
    "diego",
    "elena",
    "emil",
    "farah",
    "felix",
    "grace",
    "hana",
    "henri",
    "ida",
    "imani",
    "ivan",
    "jonas",
    "julia",
    "kaito",
    "karim",
    "lea",
    "leo",
    "lina",
    "maya",
    "mira",
    "nadia",
    "nico",
    "nora",
    "omar",
    "otto",
    "petra",
    "priya",
    "quinn",
    "rosa",
    "ravi",
    "sara",
    "sven",
    "tara",
    "theo",
    "uma",
    "viktor",
    "yara",
    "zoe",
)

_PEOPLE: Final = [f"{name}.{initial}" for initial in "bkmr" for name in _NAMES]

USERS: Final = tuple(_PEOPLE[at * 37 % len(_PEOPLE)] for at in range(len(_PEOPLE)))
"""200 people, the busiest first; 37 shuffles them, as it has no factor in common."""
