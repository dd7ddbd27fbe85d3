"""The time of the playground. It may run faster than ours, for several processes alike."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

# Variables that the playground sets for the process of the bot.
CLOCK_FILE = "PLAYGROUND_CLOCK"
PARENT_PROCESS = "PLAYGROUND_KEEPER"  # ID of the process of the playground


@dataclass(frozen=True, slots=True)
class Pace:
    """From the moment `real` on, when it was `world` there, time runs `rate` times as fast. Unix seconds."""

    real: float
    world: float
    rate: float = 1.0

    def at(self, real: float) -> float:
        return self.world + (real - self.real) * self.rate


class SharedClock:
    """A clock whose pace is in a file: all processes that read the file have the same time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_at = 0  # when the file was written that was read last, in nanoseconds
        self._pace = Pace(0, 0)

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self._present().at(time.time()), UTC)

    @property
    def rate(self) -> float:
        return self._present().rate

    def run(self, rate: float) -> None:
        """Go on from the present moment at another rate."""
        real = time.time()
        world = self._present().at(real) if self._file.exists() else real
        self._write(Pace(real, world, rate))

    def reset(self) -> None:
        """Return to the real time, at its own rate."""
        self._write(Pace((real := time.time()), real))

    def _write(self, pace: Pace) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(pace)))
        fresh.replace(self._file)  # atomic: a reader never sees half of it

    def _present(self) -> Pace:
        written_at = self._file.stat().st_mtime_ns
        if written_at != self._read_at:
            self._pace, self._read_at = Pace(**json.loads(self._file.read_text())), written_at
        return self._pace
