"""The bot itself, in the time of the playground: `python -m bot.demo.playground.clocked`."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from bot.__main__ import main
from bot.demo.playground.clock import SharedClock

CLOCK = "PLAYGROUND_CLOCK"
KEEPER = "PLAYGROUND_KEEPER"  # the ID of the process that started this one
GLANCE = 1.0  # seconds between two looks at whether it is still there


def _leave_with(keeper: int) -> None:
    """End when the playground does. One that is killed cannot stop its bot, which would ask on for ever."""
    while os.getppid() == keeper:
        time.sleep(GLANCE)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_leave_with, args=(int(os.environ.pop(KEEPER)),), daemon=True).start()
    sys.exit(main([], clock=SharedClock(Path(os.environ.pop(CLOCK)))))
