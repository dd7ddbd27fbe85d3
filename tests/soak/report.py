"""A run as a table, its complaints in words, and the page of both."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from bench import machine
from tests.soak.results import Result

COMPLAINTS = 15  # lines of each kind
PACKAGES = ("slack-bolt", "slack-sdk", "aiohttp", "httpx", "sqlalchemy", "aiosqlite", "psycopg")


def table(result: Result) -> str:
    rows = [*_rows(result)]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {value}".rstrip() for name, value in rows)


def complaints(result: Result) -> Iterator[str]:
    for kind, lines in result.complaints.items():
        yield f"{kind}:"
        yield from (f"  {line}" for line in lines[:COMPLAINTS])
        if more := lines[COMPLAINTS:]:
            yield f"  and {len(more)} more"


def page(result: Result, *, minutes: float, store: str, seed: str) -> str:
    """A run as Markdown, with what it was measured on and what its rows mean."""
    wrong = "\n".join(complaints(result))
    return f"""# Long run

{machine.measured(f"make soak MINUTES={minutes:g}", *PACKAGES)}
Store {store}, seed {seed}. The bots are real processes; WeChat, Slack and the people live in one process beside
them, on the same machine.

```text
{table(result)}
```
{f"{chr(10)}```text{chr(10)}{wrong}{chr(10)}```{chr(10)}" if wrong else ""}
What it means: people type commands steadily and now and then two hundred at once, press buttons, and meanwhile
invitations come, lapse and are rejected, requests to Slack and WeChat go wrong one at a time, and the bot is
deployed, restarted and killed. *Turned away* is what came while no bot was up, after a restart without overlap or a
crash: Slack shows `dispatch_failed`, and the person repeats. *Cut off* is what a bot had in hand when it got
SIGKILL: nothing that was not written down outlives a process, and a command is not. Every other command must be
acknowledged within three seconds and answered; a deploy may cost none. *Answered again* is an answer whose receipt
Slack lost, so that it was sent twice. *Lost*, *repeated*, *untrue* and *stale* alerts are judged by the channel, as
in the crash tests. Memory and handles are those of the second third of a life and of its last: medians of the
megabytes, the fewest handles, since a burst opens many and they close again. The times of acknowledgements are a
person's, and hold what this process itself was late: its longest stall stands below them.
"""


def _rows(result: Result) -> Iterator[tuple[str, object]]:
    asked, taken = result.asked, result.taken
    yield "minutes", f"{result.seconds / 60:.1f}"
    yield "commands and clicks", len(asked)
    yield "  turned away: nobody listened", len(asked) - len(taken)
    yield "  cut off by SIGKILL", len(result.cut_off)
    yield "  acknowledged", len(result.acknowledged)
    yield "  not acknowledged", len(result.unacknowledged)
    yield "  answered", sum(one.answered is not None for one in taken)
    yield "    with a last word at a restart", result.last_words
    yield "  not answered", len(result.unanswered)
    yield "  answered again", sum(one.repeated for one in taken)
    yield "acknowledged after, p50 / p99 / max", _spread([one.ack_ms for one in result.acknowledged], "ms")
    answered = [one.answered for one in taken if one.answered is not None]
    yield "answered after, p50 / p99 / max", _spread(answered, "s")
    yield "longest stall of the stand-ins", f"{result.stall:.2f} s"
    for end, number in sorted(result.ends.items()):
        yield f"ended by a {end}", number
    yield "faults", sum(result.faults.values())
    for place, number in sorted(result.faults.items()):
        yield f"  {place}", number
    yield "alerts told", result.alerts.told
    for what in ("lost", "repeated", "untrue", "stale"):
        yield f"  {what}", len(getattr(result.alerts, what))
    yield "odd", len(result.odd)
    for one in result.trends:
        yield f"{one.name}, {one.seconds:.0f} s", ""
        yield "  resident memory", f"{one.rss[0]:.1f} MB, then {one.rss[1]:.1f} MB"
        yield "  handles", f"{one.handles[0]}, then {one.handles[1]}"


def _spread(values: Sequence[float], unit: str) -> str:
    if len(values) < 2:
        return "none"
    parts = statistics.quantiles(values, n=100, method="inclusive")
    digits = 1 if unit == "ms" else 2
    return " / ".join(f"{value:.{digits}f}" for value in (parts[49], parts[98], max(values))) + f" {unit}"
