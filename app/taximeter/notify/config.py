"""`notify.yaml`: routes, each with one target; every fault of it is told at once.

Nothing that is said about a fault repeats what stands in the file, except for the
names of routes and keys: a secret in the wrong place stays one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self, cast

import yaml
from pydantic import Field, SecretStr, ValidationError, model_validator

from taximeter.notify.matching import Match, Section
from taximeter.notify.quiet_hours import QuietHours
from taximeter.notify.secret_values import Secrets, Unresolved
from taximeter.notify.templates import Texts
from taximeter_schemas.errors import ConfigurationError

__all__ = [
    "EmailTarget",
    "Group",
    "NotifyConfig",
    "Retries",
    "Route",
    "WebhookTarget",
    "read_config",
]

Target = Literal["to", "webhook", "email", "terminal"]
_TARGETS: Final[tuple[Target, ...]] = ("to", "webhook", "email", "terminal")
_Seconds = Annotated[float, Field(ge=0, le=86_400)]


class WebhookTarget(Section):
    """An address of one's own, to which alerts are posted as signed JSON."""

    url: SecretStr
    sign_with: SecretStr

    @model_validator(mode="after")
    def _http(self) -> Self:
        if not self.url.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("url: begins with https:// or http://")
        return self


class EmailTarget(Section):
    """A mail server and who is written to.

    `server` is `smtp://[USER:PASSWORD@]HOST[:PORT]` (STARTTLS where the server offers
    it, and always when there is a password) or `smtps://…` (TLS from the start).
    """

    server: SecretStr
    from_: Annotated[str, Field(alias="from", pattern=r"^[^@\s]+@[^@\s]+$")]
    to: Annotated[tuple[str, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _smtp(self) -> Self:
        if not self.server.get_secret_value().startswith(("smtp://", "smtps://")):
            raise ValueError("server: begins with smtp:// or smtps://")
        if any("@" not in address or not address.isprintable() for address in self.to):
            raise ValueError("to: is a list of addresses, NAME@HOST")
        return self


class Group(Section):
    """How alerts that come together become one message."""

    seconds: _Seconds = 5.0
    at_most: Annotated[int, Field(strict=True, ge=1, le=500)] = 100


class Retries(Section):
    """How often a message is attempted, and how long it waits in between."""

    attempts: Annotated[int, Field(strict=True, ge=1, le=1000)] = 12
    first_seconds: _Seconds = 1.0
    most_seconds: _Seconds = 300.0


class Route(Section):
    """Which alerts go to which one target, when, in what words."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    to: SecretStr | None = None
    webhook: WebhookTarget | None = None
    email: EmailTarget | None = None
    terminal: Literal[True] | None = None
    match: Match = Match()
    quiet: QuietHours | None = None
    group: Group = Group()
    retries: Retries = Retries()
    texts: Texts = Texts()

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        given = [name for name in _TARGETS if getattr(self, name) is not None]
        if len(given) != 1:
            found = "none" if not given else " and ".join(given)
            listed = ", ".join(_TARGETS)
            raise ValueError(f"needs exactly one target of {listed}; has {found}")
        return self

    @property
    def target(self) -> Target:
        """Which kind of target it has."""
        return next(name for name in _TARGETS if getattr(self, name) is not None)


@dataclass(frozen=True)
class NotifyConfig:
    """All routes, and the secrets to be taken out of everything that is said."""

    routes: tuple[Route, ...]
    secrets: Secrets

    def route(self, name: str) -> Route:
        """Return the route of a name.

        Raises:
            ConfigurationError: there is none.
        """
        for route in self.routes:
            if route.name == name:
                return route
        listed = ", ".join(route.name for route in self.routes)
        raise ConfigurationError(f"there is no route {name!r}: there are {listed}")


def read_config(
    file: Path, environment: Mapping[str, str] | None = None
) -> NotifyConfig:
    """Return what a file says, its secrets filled in.

    Args:
        file: `notify.yaml`; files of secrets are found beside it.
        environment: where `${NAME}` is looked up; the process's own without it.

    Raises:
        ConfigurationError: names the file and all that is wrong with it.
    """
    secrets, faults = Secrets(environment), list[str]()
    entries = _entries(file, secrets, faults)
    routes = [_route(number, entry, faults) for number, entry in entries]
    names = [route.name for route in routes if route]
    faults += [f"{name}: two routes have this name" for name in _twice(names)]
    if faults:
        raise ConfigurationError(f"{file}: {'; '.join(faults)}")
    return NotifyConfig(tuple(route for route in routes if route), secrets)


def _entries(
    file: Path, secrets: Secrets, faults: list[str]
) -> list[tuple[int, object]]:
    found = _loaded(file, secrets, faults)
    entries: object = None
    if isinstance(found, dict):
        fields = cast("dict[object, object]", found)
        faults += [f"{name}: no such key" for name in fields if name != "routes"]
        entries = fields.get("routes")
    if not isinstance(entries, list) or not entries:
        faults.append("a list of routes under 'routes:' is needed")
        return []
    listed = enumerate(cast("list[object]", entries), start=1)
    return [(number, _filled(entry, secrets, faults)) for number, entry in listed]


def _loaded(file: Path, secrets: Secrets, faults: list[str]) -> object:
    class Loader(yaml.SafeLoader):
        """Knows `!file PATH`."""

    def from_file(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
        try:
            path = Path(str(loader.construct_scalar(node)))
            return secrets.from_file(file.parent / path.expanduser())
        except Unresolved as error:
            faults.append(str(error))
            return _MISSING

    Loader.add_constructor("!file", from_file)
    try:
        with file.open(encoding="utf-8") as text:
            found: object = yaml.load(text, Loader=Loader)  # noqa: S506 - a SafeLoader
            return found
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise ConfigurationError(f"{file}: is not YAML{line}") from None


# Stands where a secret should: of any form that is asked for, so that only its
# absence is told.
_MISSING: Final = "missing"


def _filled(node: object, secrets: Secrets, faults: list[str]) -> object:
    """Return an entry with `${NAME}` filled in, wherever it stands under a target."""
    if not isinstance(node, dict):
        return node
    fields = dict(cast("dict[object, object]", node))
    for name in _TARGETS:
        if name in fields:
            fields[name] = _with_secrets(fields[name], secrets, faults)
    return fields


def _with_secrets(node: object, secrets: Secrets, faults: list[str]) -> object:
    if isinstance(node, dict):
        fields = cast("dict[object, object]", node)
        return {
            name: _with_secrets(value, secrets, faults)
            for name, value in fields.items()
        }
    if isinstance(node, list):
        items = cast("list[object]", node)
        return [_with_secrets(item, secrets, faults) for item in items]
    if not isinstance(node, str):
        return node
    try:
        return secrets.filled_in(node)
    except Unresolved as error:
        faults.append(str(error))
        return node


def _route(number: int, entry: object, faults: list[str]) -> Route | None:
    if not isinstance(entry, dict):
        faults.append(f"route {number}: is a mapping with a name and a target")
        return None
    fields = cast("dict[object, object]", entry)
    try:
        return Route.model_validate(fields)
    except ValidationError as error:
        called = _called(number, fields.get("name"))
        faults += [f"{called}: {told}" for told in _told(error)]
        return None


def _called(number: int, name: object) -> str:
    return name if isinstance(name, str) and name else f"route {number}"


def _told(error: ValidationError) -> list[str]:
    """Return each fault with its place, and never what was given there."""
    told: list[str] = []
    for fault in error.errors(include_url=False, include_input=False):
        place = ".".join(str(step).removesuffix("_") for step in fault["loc"])
        words = "no such key" if fault["type"] == "extra_forbidden" else fault["msg"]
        words = words.removeprefix("Value error, ")
        told.append(f"{place}: {words}" if place else words)
    return told


def _twice(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
