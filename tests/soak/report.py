"""Format the results of a run as a table, a list of complaints and a Markdown page."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from bench import machine
from tests.soak.results import SoakResult

COMPLAINTS = 15  # lines of each kind
PACKAGES = ("slack-bolt", "slack-sdk", "aiohttp", "httpx", "sqlalchemy", "aiosqlite", "psycopg")


def table(result: SoakResult) -> str:
    rows = [*_rows(result)]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {value}".rstrip() for name, value in rows)


def complaints(result: SoakResult) -> Iterator[str]:
    for kind, lines in result.complaints.items():
        yield f"{kind}:"
        yield from (f"  {line}" for line in lines[:COMPLAINTS])
        if more := lines[COMPLAINTS:]:
            yield f"  and {len(more)} more"


def page(result: SoakResult, *, minutes: float, store: str, seed: str) -> str:
    """Format a run as Markdown, with the machine and an explanation of the rows."""
    wrong = "\n".join(complaints(result))
    return f"""# Soak test

{machine.measured(f"make soak MINUTES={minutes:g}", *PACKAGES)}
Store {store}, seed {seed}. The bots are real processes. WeChat, Slack and the users are simulated in one process
on the same machine.

```text
{table(result)}
```
{f"{chr(10)}```text{chr(10)}{wrong}{chr(10)}```{chr(10)}" if wrong else ""}
Users type commands at a steady rate, sometimes two hundred at once, and click buttons. Meanwhile invitations
are made, expire and are rejected, requests to Slack and WeChat fail one at a time, and the bot is deployed,
restarted and killed. *Turned away* interactions came while no bot was running, after a restart without overlap
or a crash: Slack shows `dispatch_failed`, and the user repeats. *Cut off* interactions were being handled by a
bot when it got SIGKILL: a command is not stored and does not survive its process. Every other command must be
acknowledged within three seconds and answered; a deploy may lose none. *Answered again* counts answers that
were sent twice because Slack's response was lost. *Operations* are forms that operators submit to invite, add,
rename and delete while WeChat's answers get lost and its list lags. They, and *lost*, *repeated*, *untrue* and
*stale* alerts, are judged by WeChat, the channel and the modals, as in the crash tests. Memory and handles
compare the second third of a process's lifetime with the last: the median of the megabytes, and the fewest
handles, since a burst opens many and they close again. The times of acknowledgements are those that a user
sees; they include delays of the simulating process, whose longest stall is shown below them.
"""


def _rows(result: SoakResult) -> Iterator[tuple[str, object]]:
    interactions, received = result.interactions, result.received
    yield "minutes", f"{result.seconds / 60:.1f}"
    yield "commands and clicks", len(interactions)
    yield "  turned away: no bot running", len(interactions) - len(received)
    yield "  cut off by SIGKILL", len(result.cut_off)
    yield "  acknowledged", len(result.acknowledged)
    yield "  not acknowledged", len(result.unacknowledged)
    yield "  answered", sum(one.answered is not None for one in received)
    yield "    with a notice of a restart", result.restart_notices
    yield "  not answered", len(result.unanswered)
    yield "  answered again", sum(one.repeated for one in received)
    yield "acknowledged after, p50 / p99 / max", _spread([one.ack_ms for one in result.acknowledged], "ms")
    answered = [one.answered for one in received if one.answered is not None]
    yield "answered after, p50 / p99 / max", _spread(answered, "s")
    yield "longest stall of the simulators", f"{result.stall:.2f} s"
    for end, number in sorted(result.replacements.items()):
        yield f"ended by a {end}", number
    yield "faults", sum(result.faults.values())
    for place, number in sorted(result.faults.items()):
        yield f"  {place}", number
    yield "alerts reported", result.alerts.reported
    for what in ("lost", "repeated", "untrue", "stale"):
        yield f"  {what}", len(getattr(result.alerts, what))
    yield "operations requested", result.operations.requested
    yield "  forms not opened", result.forms_not_opened
    yield "  clicks on submit", len(result.forms)
    yield "  not answered within 3 s", len(result.unanswered_forms)
    yield "  took effect", result.operations.took_effect
    for what, lines in result.operations.lists.items():
        yield f"  {what}", len(lines)
    yield (
        "forms answered after, p50 / p99 / max",
        _spread([one.ms for one in result.forms if not one.failure], "ms"),
    )
    yield "unexpected", len(result.unexpected)
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
