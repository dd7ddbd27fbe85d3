"""The real bot without shared polls: each command polls WeChat, as a single one does."""

from __future__ import annotations

import sys
from datetime import timedelta

from bot.__main__ import main
from bot.interactions import account_reader, watcher_calls


def reuse_no_read() -> None:
    """Let each command of this process read WeChat, and wake a watcher that waits after failures."""
    account_reader.GOOD_FOR = 0.0
    watcher_calls.WAKE_GAP = timedelta(0)


if __name__ == "__main__":
    reuse_no_read()
    sys.exit(main())
