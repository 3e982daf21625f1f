"""`/metrics` of one part alone, for where no API shares its data directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from taximeter.metrics.parts import PartsCollector
from taximeter.settings import MeasuredSettings
from taximeter.state import DataDir
from taximeter_schemas.errors import ConfigurationError

__all__ = ["serving_metrics"]


@contextmanager
def serving_metrics(
    settings: MeasuredSettings, data: DataDir, part: str
) -> Iterator[dict[str, str]]:
    """Serve a part's metrics for as long as the block runs, if it is asked for.

    Gives the URL under which they are found, as `Presence.ready` takes it.

    Raises:
        ConfigurationError: the port is taken.
    """
    if settings.metrics_port is None:
        yield {}
        return
    host, port = settings.metrics_host, settings.metrics_port
    registry = CollectorRegistry()
    registry.register(PartsCollector(data, part))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise ConfigurationError(
            f"metrics cannot be served on {host}:{port} ({error.strerror}): "
            "give another port with --metrics-port"
        ) from None
    try:
        yield {"metrics": f"http://{host}:{server.server_port}/metrics"}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
