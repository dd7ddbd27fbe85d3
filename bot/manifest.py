"""The Slack app manifests of docs/, with the app's own address filled in, and the link that creates the app."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import quote

DOCS = Path(__file__).resolve().parent.parent / "docs"
PLACEHOLDER = "https://YOUR-APP.example.com"
CREATE = "https://api.slack.com/apps?new_app=1&manifest_yaml="
# No character with a meaning in YAML or in a URL: a match is put into the manifest unchanged.
HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
SCOPE = re.compile(r"^ {6}- ([a-z:.]+)$", re.MULTILINE)
ADDRESS = re.compile(rf"https://{HOST}(:[0-9]{{1,5}})?(/[A-Za-z0-9._~-]+)*/?")


def manifest(mode: Literal["http", "socket"], url: str | None) -> str:
    """Return the manifest as YAML. Without `url` the placeholder stays; Socket Mode needs no address.

    Raises:
        ValueError: `url` is not an address that Slack could call.
    """
    text = (DOCS / f"slack-manifest.{mode}.yaml").read_text(encoding="utf-8")
    return text if url is None else text.replace(PLACEHOLDER, _address(url))


def scopes() -> tuple[str, ...]:
    """Return the scopes of both manifests, in their order."""
    return tuple(SCOPE.findall(manifest("http", None)))


def create_link(text: str) -> str:
    """Return a link that opens Slack's form for a new app, filled in with a manifest."""
    return CREATE + quote(text, safe="")  # quote_plus would turn each blank into a plus sign


def _address(url: str) -> str:
    url = url.strip()
    if not ADDRESS.fullmatch(url):
        raise ValueError(f"The address must be like {PLACEHOLDER}: https://, a host, no ? and no user name.")
    return url.rstrip("/").removesuffix("/slack/events")
