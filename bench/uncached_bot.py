"""The real bot, but it reuses no read: each command reads WeChat itself, as one does that comes alone."""

from __future__ import annotations

import sys
from datetime import timedelta

from bot import commands, desk
from bot.__main__ import main

if __name__ == "__main__":
    commands.GOOD_FOR = 0.0
    desk.HASTEN_GAP = timedelta(0)  # what a lone command does besides
    sys.exit(main())
