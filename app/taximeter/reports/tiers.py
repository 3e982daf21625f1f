"""Which models are as good as each other: as a file says, or the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from taximeter_schemas.errors import ConfigurationError

__all__ = ["read_tiers", "tier_of"]


def tier_of(text: str) -> list[str]:
    """Return the models of one tier, which stand there with commas.

    Raises:
        ConfigurationError: there are not two.

    >>> tier_of("gpt-4o, claude-sonnet-4-5")
    ['gpt-4o', 'claude-sonnet-4-5']
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    return _two_at_least(names, f"the tier {text!r}")


def read_tiers(path: Path) -> list[list[str]]:
    """Return the tiers of a YAML file: `tiers:`, a name, and a list of models each.

    Raises:
        ConfigurationError: it is not that.
        OSError: it cannot be read.
    """
    try:
        told = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no YAML: {error}") from error
    tiers = told.get("tiers") if isinstance(told, dict) else None
    if not isinstance(tiers, dict) or not all(map(_are_names, tiers.values())):
        raise ConfigurationError(
            f"{path} has no tiers: write 'tiers:', and below it, for each tier, "
            "a name and a list of models"
        )
    return [
        _two_at_least(models, f"the tier {name!r} of {path}")
        for name, models in tiers.items()
    ]


def _are_names(models: object) -> bool:
    return isinstance(models, list) and all(isinstance(m, str) for m in models)


def _two_at_least(models: Sequence[str], what: str) -> list[str]:
    names = list(dict.fromkeys(models))
    if len(names) < 2:  # noqa: PLR2004 - as the words say
        raise ConfigurationError(f"{what} needs two models at least")
    return names
