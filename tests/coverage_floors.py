"""The least coverage of the whole code and of single modules: `coverage report | python -m tests.coverage_floors`.

It is that of lines in `make test`, and that of lines and branches in `make test-all` and on Python 3.11. A total
hides a module that no test reaches any more.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from fnmatch import fnmatch

TOTAL = 95  # percent
MODULE = 90
# The first pattern that fits a module decides.
MODULES = {
    "wechat_kf/*": 100,
    **dict.fromkeys((f"bot/alerting/{name}.py" for name in ("lifecycle", "deadlines", "episode")), 100),
    # Tests run these in other processes, which are not measured.
    **dict.fromkeys(("bot/__main__.py", "bot/console.py", "bot/runtime/streams.py", "bot/demo/*"), 0),
    "bot/web/file_limit.py": 80,  # the limits of another system
}
# Statements and those missed; then branches, if they were counted. Modules that are covered wholly have no row.
ROW = re.compile(r"(TOTAL|\S+\.py)\s+(?:\d+\s+){2}(?:\d+\s+\d+\s+)?(\d+)%")


def too_low(report: Iterable[str]) -> list[str]:
    """Return a complaint for each row of the report that is below its floor, and one if there is no total."""
    rows = {row[1]: int(row[2]) for line in report if (row := ROW.match(line))}
    wanted = {name: TOTAL if name == "TOTAL" else _floor(name) for name in rows}
    found = [
        f"{name}: {rows[name]} %, at least {wanted[name]} % is wanted" for name in rows if rows[name] < wanted[name]
    ]
    return found if "TOTAL" in rows else [*found, "the report has no total"]


def _floor(module: str) -> int:
    return next((floor for pattern, floor in MODULES.items() if fnmatch(module, pattern)), MODULE)


if __name__ == "__main__":
    lines = sys.stdin.readlines()
    print(*lines, sep="")
    if complaints := too_low(lines):
        sys.exit("\n".join(complaints))
