"""A real Chromium for tests; where none is there and it may, Debian's is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

__all__ = ["a_browser", "chromium"]

_NAMES: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
_INSTALL: Final = "apt-get install -y --no-install-recommends chromium"
_INSTALL_SECONDS: Final = 600
_ROOT: Final = 0

# What is expected comes at once on an idle machine; this is for one that is not.
expect.set_options(timeout=30_000)


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Give a browser; without one tests fail and say what to install."""
    path = chromium()
    with sync_playwright() as playwright:
        # Inside a container there is no sandbox to be had for root.
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def chromium() -> Path:
    """Return where a Chromium is, after installing it if need be.

    Fails the test where there is none and none may be installed.
    """
    found = _found()
    if found is None and os.geteuid() == _ROOT and shutil.which("apt-get"):
        _install()
        found = _found()
    if found is None:
        pytest.fail(f"the page is tested in a Chromium: as root, {_INSTALL}")
    return found


def _found() -> Path | None:
    paths = (shutil.which(name) for name in _NAMES)
    return next((Path(path) for path in paths if path), None)


def _install() -> None:
    """Install it; a machine that never asked what there is asks first."""
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get update", _INSTALL):
        done = subprocess.run(
            command.split(),
            capture_output=True,
            text=True,
            check=False,
            env=quiet,
            timeout=_INSTALL_SECONDS,
        )
        if done.returncode and command == _INSTALL:
            pytest.fail(f"{_INSTALL}: {done.stderr.strip()[-500:]}")
