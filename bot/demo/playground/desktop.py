"""The machine that the playground is started on: whether it shows a browser, and its time zone."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path

from bot.settings import parsers

LOCALTIME = Path("/etc/localtime")


def open_browser(
    url: str,
    *,
    environ: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
    opens: Callable[[str], object] = webbrowser.open,
) -> threading.Thread | None:
    """Open a page in a thread. Return None on a machine without a desktop.

    There, `webbrowser` would start a text browser in this terminal and wait until it ends.
    """
    has_display = any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if not has_display and platform not in ("darwin", "win32"):
        return None
    # A daemon: a browser that stays in the foreground must not keep the playground from ending.
    thread = threading.Thread(target=_attempt, args=(opens, url), daemon=True)
    thread.start()
    return thread


def zone(environ: Mapping[str, str] = os.environ, localtime: Path = LOCALTIME) -> str:
    """Return the IANA name of this machine's time zone, or UTC if it has none. The page corrects it."""
    name = environ.get("TZ") or str(localtime.resolve()).rpartition("zoneinfo/")[2]
    name = name.removeprefix("Etc/")  # browsers say UTC where Debian says Etc/UTC
    try:
        return parsers.zone(name).key
    except ValueError:
        return "UTC"


def _attempt(opens: Callable[[str], object], url: str) -> None:
    try:
        opened = opens(url)
    except Exception:
        opened = False
    if not opened:
        print("No browser could be started: open the address yourself.", flush=True)
