"""`costs.yaml`: what a person has set down once, and the environment over it.

Light, since it is read before calls are made: what a budget is, is looked at elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from taximeter.llm_costs.home import Home
from taximeter.yaml_numbers import ExactLoader
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.fields import Usd
from taximeter_schemas.records import explained

__all__ = ["CostsConfig", "local_zone", "read_config"]

_LOCALTIME: Final = Path("/etc/localtime")
_ZONES: Final = "zoneinfo/"

T = TypeVar("T")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Calls(_Section):
    """What happens when a call is made.

    `track` false: nothing is noted, asked or stopped. `tags` are those of every call;
    with `require_tags` a call without one is refused. A call that is estimated to cost
    more than `ask_above_usd` is asked about first, in a terminal, at an answer of
    `answer_tokens`.
    """

    track: bool = True
    tags: tuple[str, ...] = ()
    require_tags: bool = False
    ask_above_usd: Annotated[Usd, Field(ge=0)] | None = None
    answer_tokens: Annotated[int, Field(ge=0)] = 500


class Alerts(_Section):
    """What is told, besides the thresholds of budgets."""

    digests: tuple[Literal["day", "week"], ...] = ()


class Reports(_Section):
    """How reports look, and where that of each month is put."""

    format: Literal["table", "json", "csv", "md"] = "table"
    chart: bool = False
    export_dir: Path | None = None
    export_as: Literal["xlsx", "pdf", "csv", "json", "parquet"] = "xlsx"


class Prices(_Section):
    """Whether a newer price list is looked for, and how often."""

    update_every_days: Annotated[int, Field(ge=1)] | None = None
    source: str | None = None


class CostsConfig(_Section):
    """All of it; `budgets` are as in `taximeter budgets apply`."""

    time_zone: str | None = None
    calls: Calls = Calls()
    alerts: Alerts = Alerts()
    reports: Reports = Reports()
    prices: Prices = Prices()
    budgets: tuple[Mapping[str, Any], ...] = ()
    monthly_usd: Annotated[Usd, Field(gt=0)] | None = None

    @property
    def zone(self) -> str:
        """The IANA time zone of days and months: as set, or the machine's own."""
        return self.time_zone or local_zone()


def read_config(
    home: Home, environment: Mapping[str, str] | None = None
) -> CostsConfig:
    """Return what is set.

    Raises:
        ConfigurationError: names the file, or the variable, and what is wrong with it.
    """
    config = _from_file(home.config)
    return _over(config, os.environ if environment is None else environment)


def local_zone() -> str:
    """Return the machine's own time zone by its IANA name, UTC where it has none."""
    named = os.environ.get("TZ", "").removeprefix(":")
    linked = str(_LOCALTIME.resolve()).partition(_ZONES)[2]
    for name in (named, linked):
        try:
            if name and ZoneInfo(name):
                return name
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return "UTC"


def _from_file(path: Path) -> CostsConfig:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return CostsConfig()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from None
    try:
        found: object = yaml.load(text, Loader=ExactLoader)  # noqa: S506 - a SafeLoader
        config = CostsConfig.model_validate(found or {})
    except (yaml.YAMLError, RecursionError) as error:
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigurationError(f"{path}: not YAML: {problem}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {explained(error)}") from None
    _check_zone(config.time_zone, path)
    return config


def _check_zone(name: str | None, path: Path) -> None:
    try:
        ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"{path}: time_zone: {name!r} is not an IANA time zone"
        ) from None


def _over(config: CostsConfig, environment: Mapping[str, str]) -> CostsConfig:
    """Return the settings with what the environment says in their place."""
    calls = config.calls
    track = _variable(environment, "LLM_COSTS_TRACK", _boolean)
    if track is not None:
        calls = calls.model_copy(update={"track": track})
    limit = _variable(environment, "LLM_COSTS_ASK_ABOVE_USD", _usd)
    if limit is not None:
        calls = calls.model_copy(update={"ask_above_usd": limit})
    monthly = _variable(environment, "LLM_COSTS_MONTHLY_USD", _usd)
    changed: dict[str, object] = {"calls": calls}
    if monthly is not None:
        changed["monthly_usd"] = monthly
    return config.model_copy(update=changed)


_boolean: Final = TypeAdapter(bool)
_usd: Final[TypeAdapter[Decimal]] = TypeAdapter(Annotated[Usd, Field(gt=0)])


def _variable(
    environment: Mapping[str, str], name: str, kind: TypeAdapter[T]
) -> T | None:
    text = environment.get(name)
    if not text:
        return None
    try:
        return kind.validate_python(text)
    except ValidationError as error:
        raise ConfigurationError(
            f"{name}={text!r}: {error.errors()[0]['msg']}"
        ) from None
