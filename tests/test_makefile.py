"""`make demo` on a bare clone, with an interpreter that only prints: its commands and its output."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.process

PYTHON = """#!/bin/sh
case "$*" in
"-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
*"pip install"*)
  case "$*" in *"--quiet --quiet"*) ;; *) echo "WARNING: pip's chatter" >&2 ;; esac
  if [ -n "$FAILS" ]; then echo "ERROR: no network" >&2; exit 1; fi ;;
*"bot demo"*) echo "runs $*" ;;
esac
"""


def run_make(clone: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    tools = clone / "tools"
    tools.mkdir()
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        (tools / name).write_text(PYTHON)
        (tools / name).chmod(0o755)
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, clone)
    make = shutil.which("make")
    assert make
    return subprocess.run(
        [make, "demo", *arguments],
        cwd=clone,
        env={"PATH": f"{tools}:{os.environ['PATH']}", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        ((), "runs -m bot demo --port 3000"),
        (("PORT=8123", "DEMO=--no-browser"), "runs -m bot demo --port 8123 --no-browser"),
    ],
)
def test_make_demo_installs_quietly_and_passes_the_port(
    tmp_path: Path, arguments: tuple[str, ...], runs: str
) -> None:
    done = run_make(tmp_path, *arguments)
    building, installing, demo = done.stdout.splitlines()
    assert (done.returncode, done.stderr, demo.strip()) == (0, "", runs)
    assert building.startswith("Building .venv with python3")
    assert installing == "Installing what the bot needs: once, for about half a minute"


def test_make_demo_shows_the_errors_of_pip(tmp_path: Path) -> None:
    done = run_make(tmp_path, FAILS="yes")
    assert done.returncode != 0
    assert "ERROR: no network" in done.stderr
