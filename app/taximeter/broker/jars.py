"""Apache Kafka's jars: resolved once, remembered as a list of files."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from taximeter_schemas.errors import ConfigurationError

__all__ = ["FETCHING", "KAFKA_VERSION", "class_path", "have_jars"]

KAFKA_VERSION = "4.1.0"

FETCHING = f"fetching Apache Kafka {KAFKA_VERSION} (once; about a minute)"

# slf4j-simple is what makes the broker's own warnings readable: Kafka's published
# jars bring no logger, and a broker that fails would otherwise fail in silence.
_COORDINATES = "+".join(
    [
        f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
        f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",
        "org.slf4j:slf4j-simple:1.7.36",
    ]
)


def class_path(note: Callable[[str], None]) -> str:
    """Return the Java class path of Kafka, fetching its jars the first time.

    Args:
        note: told, in words for people, when this is going to take a while.

    Raises:
        ConfigurationError: the jars are not here and cannot be fetched.
    """
    cache = _cache_file()
    jars = _remembered(cache)
    if jars is None:
        with _alone(cache.with_suffix(".lock")):
            jars = _remembered(cache) or _fetch(cache, note)
    return os.pathsep.join(jars)


def have_jars() -> bool:
    """Tell whether Kafka can be started without fetching anything."""
    return _remembered(_cache_file()) is not None


def _cache_file() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "taximeter" / f"kafka-{KAFKA_VERSION}.json"


def _remembered(cache: Path) -> list[str] | None:
    """Return the jars of an earlier run, if all of them are still as they were."""
    try:
        known = json.loads(cache.read_text())
        if known["coordinates"] != _COORDINATES:
            return None
        sizes: dict[str, int] = known["sizes"]
        whole = all(Path(jar).stat().st_size == size for jar, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return list(sizes) if whole and sizes else None


def _fetch(cache: Path, note: Callable[[str], None]) -> list[str]:
    note(FETCHING)
    import jgo  # noqa: PLC0415 - half a second that only the first start needs

    try:
        with redirect_stdout(sys.stderr):
            jars = jgo.build(_COORDINATES, update=True).all_jars
    except Exception as error:
        raise ConfigurationError(
            f"cannot fetch Apache Kafka {KAFKA_VERSION} ({error}): check the network, "
            "or name a broker of your own with --bootstrap"
        ) from error
    sizes = {str(jar): jar.stat().st_size for jar in jars}
    _write(cache, {"coordinates": _COORDINATES, "sizes": sizes})
    return list(sizes)


def _write(cache: Path, known: dict[str, object]) -> None:
    fresh = cache.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(known, indent=1))
    fresh.replace(cache)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Keep other processes from fetching into the same cache at the same time."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
