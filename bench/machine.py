"""What a figure was measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime


def measured(command: str, *packages: str) -> str:
    """Date, command, machine and versions, as a sentence of two lines."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `{command}`, all in one run: {os.cpu_count()} cores,\n"
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {versions}."
    )
