"""Which reports can be asked for."""

from __future__ import annotations

import pytest

from taximeter_schemas.errors import ConfigurationError
from taximeter_sinks.spend import spend_query


def test_an_unknown_dimension_names_the_known_ones() -> None:
    """The way out stands in the words."""
    with pytest.raises(ConfigurationError, match="choose from user, model"):
        spend_query(["colour"])


def test_an_unknown_time_zone_is_refused() -> None:
    """A zone is an IANA name, never a piece of SQL."""
    with pytest.raises(ConfigurationError, match="IANA"):
        spend_query(["day"], time_zone="x') --")
