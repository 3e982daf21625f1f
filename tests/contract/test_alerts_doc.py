"""`docs/alerts.md` shows a file that can be read, and a check of signatures."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taximeter.notify.config import Group, Retries, Route, read_config
from taximeter.notify.matching import Match
from taximeter.notify.messages import signature
from taximeter.notify.quiet_hours import QuietHours
from taximeter.notify.targets import open_targets
from taximeter.notify.templates import LINE_FIELDS, TITLE_FIELDS
from taximeter_schemas.alerts import BudgetThresholdCrossed
from taximeter_schemas.clock import SystemClock

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text("utf-8")
ENVIRONMENT = {
    "SLACK_URL": "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOX",
    "PAGERDUTY_KEY": "k3y",
    "PAGERDUTY_SERVICE": "s3rvice",
    "MAIL_USER": "ada",
    "MAIL_PASSWORD": "s3cret",
}


def _block(language: str, begins: str) -> str:
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return next(block for block in blocks if block.startswith(begins))


def test_the_example_file_can_be_used(tmp_path: Path) -> None:
    """What the page shows is read, and each of its targets opens."""
    (tmp_path / "notify.yaml").write_text(_block("yaml", "# notify.yaml"))
    (tmp_path / "billing.key").write_text("key")

    config = read_config(tmp_path / "notify.yaml", ENVIRONMENT)

    assert len(open_targets(config, SystemClock())) == len(config.routes) == 5


def test_every_key_is_documented() -> None:
    """The page names each key of a route and its parts, and each template field."""
    models = (Route, Match, QuietHours, Group, Retries)
    keys = {name.removesuffix("_") for model in models for name in model.model_fields}
    assert [key for key in sorted(keys) if f"`{key}`" not in PAGE] == []
    own = TITLE_FIELDS | (LINE_FIELDS - set(BudgetThresholdCrossed.model_fields))
    assert [name for name in sorted(own) if f"`{{{name}}}`" not in PAGE] == []


@pytest.mark.parametrize(
    ("changed", "ours"), [({}, True), ({"body": b"[]"}, False), ({"age": 3600}, False)]
)
def test_the_check_of_signatures_works(changed: dict[str, Any], ours: bool) -> None:
    """The page's own code accepts what we sign, and nothing changed or old."""
    names: dict[str, Any] = {}
    exec(_block("python", "import hashlib"), names)
    is_ours: Callable[..., bool] = names["is_ours"]
    sent_at = int(time.time()) - changed.get("age", 0)  # noqa: TID251 - theirs
    signed = f"v1={signature('secret', sent_at, b'{}')}"
    headers = {"Taximeter-Timestamp": str(sent_at), "Taximeter-Signature": signed}

    assert is_ours(b"secret", headers, changed.get("body", b"{}")) is ours
