"""The bot itself, in the time of the playground: `python -m bot.demo.playground.clocked`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bot.__main__ import main
from bot.demo.playground.clock import SharedClock

CLOCK = "PLAYGROUND_CLOCK"

if __name__ == "__main__":
    sys.exit(main([], clock=SharedClock(Path(os.environ.pop(CLOCK)))))
