"""Who looks: in which zone, and with which theme."""

from __future__ import annotations

from typing import Final

from fastapi import Request

from taximeter.page.view import View
from taximeter_schemas.errors import ConfigurationError

__all__ = ["ZONE_COOKIE", "theme_of", "view_of"]

ZONE_COOKIE: Final = "taximeter_zone"
"""The browser's zone, which the script tells."""

_THEME_COOKIE: Final = "taximeter_theme"
_THEMES: Final = ("auto", "light", "dark")


def view_of(request: Request) -> View:
    """Return the view that a request is about, in the zone of who looks.

    Raises:
        ConfigurationError: there is no such view.
    """
    zone = request.cookies.get(ZONE_COOKIE, "")
    try:
        return View.parse(request.query_params.multi_items(), zone or "UTC")
    except ConfigurationError:
        if not zone:
            raise
        # A zone that the browser knows and we do not is no reason to show nothing.
        return View.parse(request.query_params.multi_items())


def theme_of(request: Request) -> str:
    """Return the theme that was chosen here: `auto` follows the system."""
    theme = request.cookies.get(_THEME_COOKIE, "auto")
    return theme if theme in _THEMES else "auto"
