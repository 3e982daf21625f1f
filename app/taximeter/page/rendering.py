"""Templates into text, and the files beside them: all from the package itself."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from taximeter.page import shown, words
from taximeter.page.figures import COLOURS
from taximeter.page.view import RANGES
from taximeter.reports.spend_now import changed

__all__ = ["HEADERS", "STATIC", "render"]

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
"""What goes with every page: nothing is loaded from elsewhere, nothing runs inline."""

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class _File:
    """One file that is served, with its type and a name for its very content."""

    def __init__(self, name: str, body: bytes) -> None:
        self.body = body
        self.media_type = _TYPES[f".{name.rpartition('.')[2]}"]
        self.mark = blake2b(body, digest_size=6).hexdigest()


def _static() -> dict[str, _File]:
    folder = files("taximeter.page") / "static"
    return {
        file.name: _File(file.name, file.read_bytes())
        for file in folder.iterdir()
        if f".{file.name.rpartition('.')[2]}" in _TYPES
    }


STATIC: Final[Mapping[str, _File]] = _static()
"""What `/static` serves, by name."""


def render(template: str, **known: Any) -> str:  # noqa: ANN401 - whatever it shows
    """Return a template filled in; what it is not told is an error, not a gap."""
    return _environment.get_template(template).render(**known)


def _address(name: str) -> str:
    return f"/static/{name}?{STATIC[name].mark}"


def _made() -> Environment:
    made = Environment(
        loader=PackageLoader("taximeter.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for module in (shown, words):
        named = {n: getattr(module, n) for n in module.__all__}
        made.filters.update({n: f for n, f in named.items() if callable(f)})
    made.globals.update(
        static=_address,
        changed=changed,
        words_of=words.words_of,
        state_words=words.STATE_WORDS,
        ranges=RANGES,
        colours=COLOURS,
    )
    return made


_environment: Final = _made()
