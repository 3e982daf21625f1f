"""Settings are read when a part starts, and say what is wrong with them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from taximeter.cli.sink import sink_config
from taximeter.settings import (
    ApiSettings,
    CommonSettings,
    SinkSettings,
    WorkerSettings,
    read,
    reference,
)
from taximeter.state import DataDir
from taximeter_processors.dedupe import DEFAULT_HORIZON
from taximeter_schemas.errors import ConfigurationError

ROOT = Path(__file__).parents[3]


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable sets what no option gives."""
    monkeypatch.setenv("TAXIMETER_PARTITIONS", "8")
    monkeypatch.setenv("TAXIMETER_PREFIX", "other.")
    topics = read(CommonSettings).topics()
    assert (topics.usage.name, topics.usage.partitions) == ("other.usage", 8)


def test_an_option_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given beats the environment; None is not given."""
    monkeypatch.setenv("TAXIMETER_API_PORT", "1234")
    assert read(ApiSettings, api_port=None).api_port == 1234
    assert read(ApiSettings, api_port=99).api_port == 99


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unusable value is an error that names the variable."""
    monkeypatch.setenv("TAXIMETER_PARTITIONS", "many")
    with pytest.raises(ConfigurationError, match=r"^TAXIMETER_PARTITIONS: .*integer"):
        read(CommonSettings)


def test_the_dedupe_horizon_is_a_day_unless_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker remembers for as long as the core does by default, or as it is told."""
    usual = read(WorkerSettings).dedupe_horizon_seconds
    assert timedelta(seconds=usual) == DEFAULT_HORIZON
    monkeypatch.setenv("TAXIMETER_DEDUPE_HORIZON_SECONDS", "300")
    assert read(WorkerSettings).dedupe_horizon_seconds == 300


def test_the_memory_of_the_ledger_is_what_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The sink's DuckDB may take that much, and so many processors."""
    monkeypatch.setenv("TAXIMETER_BOOTSTRAP", "localhost:9092")
    monkeypatch.setenv("TAXIMETER_LEDGER_MEMORY_MIB", "96")
    monkeypatch.setenv("TAXIMETER_LEDGER_THREADS", "3")
    config = sink_config(read(SinkSettings), DataDir(tmp_path))
    assert (config.memory_limit, config.threads) == ("96MiB", 3)
    monkeypatch.setenv("TAXIMETER_LEDGER_MEMORY_MIB", "8")
    with pytest.raises(ConfigurationError, match=r"LEDGER_MEMORY_MIB: .*64"):
        read(SinkSettings)


def test_the_documentation_is_current() -> None:
    """docs/settings.md is what the classes say."""
    assert (ROOT / "docs" / "settings.md").read_text() == reference()
