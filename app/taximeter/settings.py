"""Settings: one frozen class a part, read from `TAXIMETER_…` when the part starts.

`docs/settings.md` is generated from these classes: `python -m taximeter.settings`.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from taximeter.api.room import MAX_BODY_BYTES, Limits
from taximeter_producers.around_program import AroundProgram
from taximeter_producers.meter_settings import MeterSettings
from taximeter_schemas.budgets import TimeZone
from taximeter_schemas.errors import ConfigurationError
from taximeter_schemas.subjects import ALWAYS_COUNTED, SubjectKind
from taximeter_schemas.topics import DEFAULT_PREFIX, Topics

__all__ = [
    "ApiSettings",
    "BrokerSettings",
    "CommonSettings",
    "MeasuredSettings",
    "NotifySettings",
    "SinkSettings",
    "WorkerSettings",
    "read",
    "reference",
]

_PREFIX: Final = "TAXIMETER_"
_MAX_PORT: Final = 65_535
_kind: Final[TypeAdapter[str]] = TypeAdapter(SubjectKind)


class CommonSettings(BaseSettings):
    """What every part asks for."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True)

    bootstrap: str | None = Field(
        None,
        description="Kafka's address, HOST:PORT[,…]. Without it: the broker that "
        "runs in the data directory.",
    )
    data: Path = Field(
        Path("~/.taximeter"),
        description="Where the embedded broker, the ledger and the state live.",
    )
    prefix: str = Field(
        DEFAULT_PREFIX,
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="What the names of the topics begin with.",
    )
    partitions: int = Field(
        4,
        ge=1,
        le=1024,
        description="Partitions of usage, charges and spend. Changing it for topics "
        "that hold events is a planned step.",
    )

    public_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="The link in alerts about a budget, and in messages, to a page "
        "that people can open; `{budget}` in it becomes the budget's id. Without it: "
        "no link, and under `taximeter up` its own page.",
    )
    quack_host: str | None = Field(
        None,
        description="Where the ledger is served over Quack: what the sink listens on, "
        "and what readers ask. Without it: this machine only.",
    )
    quack_port: int | None = Field(
        None,
        ge=0,
        le=_MAX_PORT,
        description="The port on which the ledger is served over Quack. Without it: "
        "a free one, which the sink's state file names.",
    )
    quack_token: SecretStr | None = Field(
        None,
        description="The secret with which the ledger is read. Without it: one that "
        "is made once and kept in the data directory.",
    )

    def topics(self) -> Topics:
        """Return the topics of this installation."""
        return Topics(prefix=self.prefix, partitions=self.partitions)


class BrokerSettings(CommonSettings):
    """What the embedded broker asks for."""

    broker_port: int | None = Field(
        None,
        ge=1,
        le=_MAX_PORT,
        description="The embedded broker's port. Without it: one chosen once and "
        "kept in the data directory.",
    )


class MeasuredSettings(CommonSettings):
    """What a part asks for that can serve its own metrics."""

    metrics_host: str = Field(
        "127.0.0.1", description="The address that its metrics are served on."
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=_MAX_PORT,
        description="The port on which it serves its own metrics; 0 for any free one. "
        "Without it: not at all, since the API serves those of every part that shares "
        "its data directory.",
    )


class WorkerSettings(MeasuredSettings):
    """What a worker asks for."""

    worker_name: str = Field(
        "worker-1",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="The worker's name, unlike that of any other worker.",
    )
    dedupe_horizon_seconds: int = Field(
        int(timedelta(days=1).total_seconds()),
        ge=60,
        description="How long an event id is remembered at least, by the time at which "
        "the broker had it; the same for all workers. An id takes about 100 bytes of a "
        "worker's memory; a duplicate that comes later is charged again.",
    )
    anomaly_subjects: str = Field(
        ",".join(ALWAYS_COUNTED),
        description="Whose hours are compared with their own history, kinds of "
        "subjects with commas; empty for nobody's.",
    )
    anomaly_minimum_usd: Decimal = Field(
        Decimal(10),
        ge=0,
        le=10**12,
        decimal_places=12,
        description="An hour that cost less than this is never an anomaly.",
    )
    anomaly_sensitivity: float = Field(
        6.0,
        ge=1,
        le=1000,
        description="How many standard deviations above the median are still usual.",
    )
    anomaly_warm_up_days: int = Field(
        14,
        ge=1,
        le=56,
        description="How many days of history a subject needs before anything of it is "
        "an anomaly.",
    )
    digests: str = Field(
        "",
        pattern=r"^(day|week|day,week|week,day)?$",
        description="Which digests are raised: `day`, `week`, or both with a comma.",
    )
    digest_time_zone: TimeZone = Field(
        "UTC",
        description="Whose days and weeks the digests are about, an IANA name.",
    )

    @field_validator("anomaly_subjects")
    @classmethod
    def _kinds(cls, text: str) -> str:
        for kind in text.split(",") if text else []:
            _kind.validate_python(kind)
        return text


class SinkSettings(MeasuredSettings):
    """What the sink asks for."""

    ledger_memory_mib: int = Field(
        512,
        ge=64,
        le=1024 * 1024,
        description="What DuckDB may take of the sink's memory, for writing and all "
        "reports together, in MiB; what needs more goes to a file beside the ledger "
        "while it is worked out, or fails. The rest of the process takes some 150 MiB.",
    )
    ledger_threads: int = Field(
        1,
        ge=1,
        le=64,
        description="How many processors the sink's DuckDB may use for one report. "
        "With more than one, writing takes more of them too: a commit's own thread "
        "polls while another one works. So only where some are idle.",
    )


class ApiSettings(CommonSettings):
    """What the HTTP API asks for."""

    api_host: str = Field(
        "127.0.0.1", description="The address that the API listens on."
    )
    api_port: int | None = Field(
        None,
        ge=0,
        le=_MAX_PORT,
        description="The API's port; 0 for any free one. Without it: 8470, or any "
        "free one where that is taken.",
    )
    api_open: bool = Field(
        False,
        description="Lets an API that others can reach start without a token, open to "
        "whoever reaches it, until one is made.",
    )
    tokens_file: Path | None = Field(
        None,
        description="The file that the API's tokens are kept in, the same for each API "
        "process. Without it: `api-tokens.json` in the data directory.",
    )
    api_max_requests: int = Field(
        500,
        ge=1,
        description="Requests that may record events at the same moment; any more "
        "are answered with 429.",
    )
    api_max_pending_events: int = Field(
        100_000,
        ge=1,
        description="Events that may wait for Kafka's acknowledgement; any more are "
        "answered with 429.",
    )
    api_max_pending_bytes: int = Field(
        128 * 1024 * 1024,
        ge=MAX_BODY_BYTES,
        description="Bytes of events that may be read, or wait for Kafka, at the same "
        "moment; any more are answered with 429.",
    )
    api_acknowledged_seconds: float = Field(
        10.0,
        gt=0,
        description="How long a request waits until Kafka has its events; then it is "
        "answered with 503.",
    )

    def limits(self) -> Limits:
        """Return how much this API may take on."""
        return Limits(
            requests=self.api_max_requests,
            pending_events=self.api_max_pending_events,
            pending_bytes=self.api_max_pending_bytes,
            acknowledged_seconds=self.api_acknowledged_seconds,
        )


class NotifySettings(CommonSettings):
    """What `taximeter notify` asks for."""

    notify_config: Path = Field(
        Path("notify.yaml"),
        description="The file with the routes and targets of alerts (docs/alerts.md).",
    )


PARTS: Final = (
    BrokerSettings,
    WorkerSettings,
    SinkSettings,
    ApiSettings,
    NotifySettings,
)

S = TypeVar("S", bound=CommonSettings)


def read(settings: type[S], **given: object) -> S:
    """Read a part's settings; what is given (and not None) wins over the environment.

    Raises:
        ConfigurationError: one of them cannot be used; names it and says why.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return settings(**chosen)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = f"{_PREFIX}{first['loc'][0]}".upper()
        raise ConfigurationError(f"{name}: {first['msg']}") from None


def reference() -> str:
    """Return `docs/settings.md`."""
    parts = [_section("Every part", CommonSettings, set())]
    common = set(CommonSettings.model_fields)
    for part in PARTS:
        title = part.__name__.removesuffix("Settings")
        parts.append(_section(title, part, common))
    parts.append(_section("`taximeter.start()`", MeterSettings, set()))
    parts.append(_section("Every program with the SDK", AroundProgram, set()))
    return "\n".join([_HEAD, *parts])


_HEAD: Final = """\
# Settings

Read from the environment when a part starts; an option on the command line wins.
Generated from `app/taximeter/settings.py` by `python -m taximeter.settings`.
"""


def _section(title: str, part: type[BaseModel], without: set[str]) -> str:
    rows = [
        f"| `{_PREFIX}{name.upper()}` | {_default(field.default)} | "
        f"{field.description} |"
        for name, field in part.model_fields.items()
        if name not in without
    ]
    head = [f"## {title}", "", "| name | default | what |", "|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _default(value: object) -> str:
    return "" if value is None else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
