"""The price list that the installed litellm carries, read without importing litellm.

The import takes seconds and 175 MiB and fetches prices from the network, so that two
workers started apart would disagree. The file inside the pinned package is the same
for everybody; its hash stands in the price version.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

from taximeter_processors.price_versions import PriceBooks
from taximeter_processors.pricing import PriceBook
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.prices import PriceVersionPublished

__all__ = [
    "PriceFile",
    "litellm_price_book",
    "litellm_price_books",
    "litellm_price_file",
    "litellm_version_published",
]

_FILE: Final = "model_prices_and_context_window_backup.json"
_IN_FORCE_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC)
_INSTALL: Final = "install the prices with: pip install 'taximeter[processors]'"


@dataclass(frozen=True)
class PriceFile:
    """One release of a price list: the bytes that were read, and whose they are."""

    release: str
    content: bytes

    @property
    def content_hash(self) -> str:
        """The SHA-256 of the file, in hexadecimal."""
        return sha256(self.content).hexdigest()

    @property
    def price_version(self) -> str:
        """What the charges made with these prices name: release and content.

        >>> PriceFile("litellm-1.2.3", b"{}").price_version
        'litellm-1.2.3-44136fa3'
        """
        return f"{self.release}-{self.content_hash[:8]}"

    def entries(self) -> dict[str, dict[str, object]]:
        """Return the models and their prices; numbers are int or Decimal.

        Raises:
            ConfigurationError: if the file is not a JSON object of objects.

        >>> PriceFile("r", b'{"m": {"input_cost_per_token": 3e-07}}').entries()
        {'m': {'input_cost_per_token': Decimal('3E-7')}}
        """
        try:
            found: object = json.loads(self.content, parse_float=Decimal)
        except ValueError as error:
            raise ConfigurationError(
                f"price list {self.release} is not JSON ({error}): reinstall it"
            ) from error
        if not isinstance(found, dict):
            raise ConfigurationError(
                f"price list {self.release} is not an object of models: reinstall it"
            )
        models = cast("dict[str, object]", found)
        return {
            name: cast("dict[str, object]", fields)
            for name, fields in models.items()
            if isinstance(fields, dict)
        }


def litellm_price_book() -> PriceBook:
    """Return the prices of the installed litellm.

    Raises:
        ConfigurationError: if litellm or its price list is not there.
    """
    file = litellm_price_file()
    return PriceBook(file.entries(), file.price_version)


def litellm_price_books() -> PriceBooks:
    """Return the prices of the installed litellm as the first of several versions.

    Raises:
        ConfigurationError: if litellm or its price list is not there.
    """
    file = litellm_price_file()
    return PriceBooks(file.entries(), file.price_version)


def litellm_version_published() -> PriceVersionPublished:
    """Return the event that puts the installed litellm's prices in force.

    They are the first version, so they hold for all time until another is published.

    Raises:
        ConfigurationError: if litellm or its price list is not there.
    """
    file = litellm_price_file()
    return PriceVersionPublished(
        price_version=file.price_version,
        effective_from=_IN_FORCE_FROM,
        source=f"{file.release}/{_FILE}",
        content_hash=file.content_hash,
        models=len(file.entries()),
    )


def litellm_price_file() -> PriceFile:
    """Return the price list inside the installed litellm.

    Raises:
        ConfigurationError: if litellm or its price list is not there.
    """
    # find_spec of a top-level package finds it without running it.
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        raise ConfigurationError(f"litellm is not installed: {_INSTALL}")
    try:
        content = (Path(spec.origin).parent / _FILE).read_bytes()
        release = f"litellm-{version('litellm')}"
    except (OSError, PackageNotFoundError) as error:
        raise ConfigurationError(
            f"cannot read litellm's price list ({error}): {_INSTALL}"
        ) from error
    return PriceFile(release, content)
