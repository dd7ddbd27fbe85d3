"""The packages that the bot needs. Imports none of them, so that it can name those that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec

# Import name, and name in pyproject.toml. Some are imported late, where a failure would look like an outage.
PACKAGES = {
    "aiohttp": "aiohttp",
    "aiosqlite": "aiosqlite",
    "alembic": "alembic",
    "cryptography": "cryptography",
    "defusedxml": "defusedxml",
    "dotenv": "python-dotenv",
    "httpx": "httpx",
    "prometheus_client": "prometheus-client",
    "psycopg": "psycopg",
    "regex": "regex",
    "rich": "rich",
    "slack_bolt": "slack-bolt",
    "sniffio": "sniffio",
    "sqlalchemy": "sqlalchemy",
    "tzdata": "tzdata",
}
FLEET = "requirements-fleet.txt"
OF_QUEUE = {"procrastinate": "procrastinate", "psycopg_pool": "psycopg-pool"}  # those of QUEUE_BACKEND


def missing(packages: Mapping[str, str] = PACKAGES) -> list[str]:
    """Return the packages that this interpreter does not find."""
    return [package for name, package in packages.items() if find_spec(name) is None]


def advice(packages: Iterable[str], requirements: str = "requirements.txt") -> str:
    """Write one sentence that names the missing packages and how to install them."""
    return (
        f"Python packages are not installed ({', '.join(packages)}): run `python -m pip install -r "
        f"{requirements}` in the project's folder, or start the bot with the Python that has them, such as "
        ".venv/bin/python."
    )
