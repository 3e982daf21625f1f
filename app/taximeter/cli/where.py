"""Where a command looks: the data directory, Kafka and its topics, as one argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from taximeter.cli.options import bootstrap_option, data_option, topic_options
from taximeter.settings import CommonSettings, read
from taximeter.state import DataDir
from taximeter_schemas.topics import Topics

__all__ = ["Where", "where_options"]


@dataclass(frozen=True)
class Where:
    """One installation, as the command line and the environment name it."""

    data: DataDir
    topics: Topics
    given: str | None

    def kafka(self) -> str:
        """Return Kafka's address.

        Raises:
            BrokerUnavailable: none was given and nothing runs in the data directory.
        """
        return self.data.bootstrap(self.given)


def where_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--data`, `--bootstrap`, `--prefix` and `--partitions`, given as `where`."""

    @data_option
    @bootstrap_option
    @topic_options
    @wraps(function)
    def command(
        data: Path,
        bootstrap: str | None,
        prefix: str | None,
        partitions: int | None,
        **rest: Any,  # noqa: ANN401 - the command's own options
    ) -> Any:  # noqa: ANN401
        settings = read(
            CommonSettings,
            data=data,
            bootstrap=bootstrap,
            prefix=prefix,
            partitions=partitions,
        )
        place = DataDir(settings.data)
        return function(Where(place, settings.topics(), settings.bootstrap), **rest)

    return command
