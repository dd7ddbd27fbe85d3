"""The machine and the versions that a figure was measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import psutil


def name() -> str:
    """Return the processor and the memory, as far as the system reports them."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores ({model}), {psutil.virtual_memory().total / 1e9:.0f} GB"


def measured(command: str, *packages: str) -> str:
    """Return date, command, machine and versions, as a sentence of three lines."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `{command}`, all in one run: {name()},\n"
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()},\n{versions}."
    )
