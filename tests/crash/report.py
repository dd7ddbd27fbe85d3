"""Format the results of a run as a table, a list of complaints and a Markdown page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from bench import machine
from tests.crash.operation_oracle import OperationVerdict
from tests.crash.runner import CrashResult
from tests.crash.stores import SKEW

COMPLAINTS = 15  # lines of each kind
PACKAGES = ("slack-bolt", "slack-sdk", "aiohttp", "httpx", "sqlalchemy", "aiosqlite", "psycopg")


def table(results: Mapping[str, CrashResult]) -> str:
    """Format one column per store, and their sum."""
    rows = [*_rows(results)]
    head = ["", *results, *(["total"] if len(results) > 1 else [])]
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in (head, *rows)
    )


def page(found: str, complaints: str, seed: int) -> str:
    """Format a run as Markdown, with the machine and an explanation of the rows."""
    return f"""# Crash tests

{machine.measured("make crash-test", *PACKAGES)}
Seed {seed}. The bot is a real process, killed with SIGKILL at the failpoints below while Slack drops requests and
responses. Meanwhile operators invite, add, rename and delete in Slack, WeChat fails at some of their forms, and a
form without an answer is submitted again. After each kill another bot continues with the same store. At the end no
alert may be missing, and each operation that took effect must have been reported.

```text
{found}
```
{f"{chr(10)}```text{chr(10)}{complaints}{chr(10)}```{chr(10)}" if complaints else ""}
*pgbouncer* is PostgreSQL behind PgBouncer in transaction mode, *skewed* is PostgreSQL with bots whose clocks are
up to {SKEW["skewed"]} s off. *three-* is a bot with three Official Accounts in two channels, whose people, accounts
and deadlines are equal. Events and operations happen in one of them, or in all at the same time.

*Lost* events were never shown in the channel, *repeated* ones were shown twice, *untrue* ones never happened.
The current text of a *stale* message does not show the present state. All four are judged by the channel and
the actions in WeChat, never by the bot's store. *Posts beyond their attempts* are requests that a client
repeated without being asked. *Data of another account* is a name, an AppID or an event of one account in a
message or modal about another, or a message that names none. *Unexpected* are requests that an app should not
make, and errors in the bot's log. A *failed* lookup met one of the faults and was repeated.

*Operations requested* are submitted forms. A *repeated write* is a second request to WeChat for one form. What
*took effect* is read from WeChat. *Reported* is what the channel shows, and what the modal of the form shows.
"""


def _rows(results: Mapping[str, CrashResult]) -> Iterator[list[str]]:
    def row(name: str, *numbers: int) -> list[str]:
        return [name, *map(str, numbers), *([str(sum(numbers))] if len(numbers) > 1 else [])]

    def counted(name: str, counters: list[Counter[str]], order: list[str]) -> Iterator[list[str]]:
        yield from (row(f"{name}{key}", *(counter[key] for counter in counters)) for key in order)

    every = [*results.values()]
    kills = [result.kills for result in every]
    yield row("kills", *(counter.total() for counter in kills))
    yield from counted("  ", kills, sorted(set().union(*kills)))
    yield row("  failpoints not reached in time", *(result.missed.total() for result in every))
    yield row("events reported", *(result.verdict.reported for result in every))
    for what in ("lost", "repeated", "untrue", "stale"):
        yield row(what, *(len(getattr(result.verdict, what)) for result in every))
    yield row("operations requested", *(result.operations.requested for result in every))
    yield row("  took effect", *(result.operations.took_effect for result in every))
    for what in OperationVerdict().lists:
        yield row(f"  {what}", *(len(result.operations.lists[what]) for result in every))
    yield row("data of another account", *(len(result.mixed) for result in every))
    yield row("posts beyond their attempts", *(len(result.excess_posts) for result in every))
    yield row("unexpected", *(len(result.unexpected) for result in every))
    lookups = [result.lookups for result in every]
    yield row("lookups", *(counter.total() for counter in lookups))
    yield from counted("  ", lookups, sorted(set().union(*lookups)))
    requests = [result.requests for result in every]
    yield row("requests", *(counter.total() for counter in requests))
    yield from counted("  ", requests, sorted(set().union(*requests)))
    yield [
        "longest stall of the simulators",
        *(f"{result.stall:.2f} s" for result in every),
        *([""] if len(every) > 1 else []),
    ]
    yield ["seconds", *(f"{result.seconds:.0f}" for result in every), *([""] if len(every) > 1 else [])]


def complaints(results: Mapping[str, CrashResult]) -> Iterator[str]:
    for store, result in results.items():
        for kind, lines in result.complaints.items():
            yield f"{store}, {kind}:"
            yield from (f"  {line}" for line in lines[:COMPLAINTS])
            if more := lines[COMPLAINTS:]:
                yield f"  and {len(more)} more"
        if result.unreached:
            yield f"{store}, never reached: {', '.join(result.unreached)}"
