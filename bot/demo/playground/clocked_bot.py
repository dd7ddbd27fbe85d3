"""The bot itself, on the clock of the playground: `python -m bot.demo.playground.clocked_bot`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path

from bot import environment
from bot.demo.playground.shared_clock import CLOCK_FILE, PARENT_PROCESS, SharedClock
from bot.runtime.logs import configure
from bot.serving import serve
from bot.settings.values import Settings
from bot.tenants.loading import load_defined, secrets_of
from bot.tenants.reloading import Reloading

CHECK_SECONDS = 1.0  # between two checks that the playground still runs


def main() -> int:
    parent = int(os.environ.pop(PARENT_PROCESS))
    clock = SharedClock(Path(os.environ.pop(CLOCK_FILE)))
    threading.Thread(target=_stop_after, args=(parent,), daemon=True).start()
    variables = environment.take()
    settings = Settings.from_environ(variables)
    defined = load_defined(settings, variables, environment.read_file)
    configure(settings.log_level, secrets_of(defined.tenants), settings.log_format)
    serving = serve(
        defined,
        role="web",
        exit_now=os._exit,
        ignored=environment.ignored(variables),
        clock=clock,
        reloading=Reloading(defined, variables, environment.read_file) if settings.has_platform else None,
    )
    return asyncio.run(serving)


def _stop_after(parent: int) -> None:
    """Stop when the playground has ended: one that is killed cannot stop its bot, which would go on polling."""
    while os.getppid() == parent:
        time.sleep(CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
