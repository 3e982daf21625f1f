"""Where a newer price list comes from: the installed litellm, a file or a URL."""

from __future__ import annotations

import urllib.request
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from taximeter_processors.price_book import PriceFile, litellm_price_file
from taximeter_schemas.errors import ConfigurationError

__all__ = ["INSTALLED", "fetch_price_list"]

INSTALLED: Final = "installed"

_TIMEOUT_SECONDS: Final = 30.0
_LARGEST: Final = 64 * 1024 * 1024
_NAME_LENGTH: Final = 100


def fetch_price_list(source: str) -> PriceFile:
    """Return the list that a source has now; the network is only asked for a URL.

    Raises:
        ConfigurationError: it cannot be read.
    """
    if source == INSTALLED:
        return litellm_price_file()
    try:
        if urlsplit(source).scheme in ("http", "https"):
            content, name = _downloaded(source), urlsplit(source).path
        else:
            content, name = Path(source).expanduser().read_bytes(), source
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read {source}: {error}") from None
    if len(content) > _LARGEST:
        raise ConfigurationError(f"{source} is larger than {_LARGEST >> 20} MiB")
    return PriceFile(PurePosixPath(name).stem[:_NAME_LENGTH] or "list", content)


def _downloaded(url: str) -> bytes:
    # The scheme was looked at: no other than http and https comes here.
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
        content: bytes = answer.read(_LARGEST + 1)
    return content
