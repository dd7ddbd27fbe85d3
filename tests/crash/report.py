"""A run as a table, and its complaints in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from bench import machine
from tests.crash.runner import Result

COMPLAINTS = 15  # lines of each kind
PACKAGES = ("slack-bolt", "slack-sdk", "aiohttp", "httpx", "sqlalchemy", "aiosqlite", "psycopg")


def table(results: Mapping[str, Result]) -> str:
    """One column a store, and their sum."""
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
    """A run as Markdown, with what it was measured on and what its rows mean."""
    return f"""# Crash tests

{machine.measured("make crash-test", *PACKAGES)}
Seed {seed}. The bot is a real process, killed with SIGKILL at the points below while Slack loses requests and
answers; after each kill another bot goes on with the same store, and in the end nothing may be missing.

```text
{found}
```
{f"{chr(10)}```text{chr(10)}{complaints}{chr(10)}```{chr(10)}" if complaints else ""}
What it means: *lost* is what the channel never showed, *repeated* what it showed twice, *untrue* what never was so,
*stale* a message whose last form does not show the present state. All of them are judged by the channel and by
what was done in WeChat, never by the bot's store. *Posts beyond their attempts* are requests that were sent again
unasked; *odd* is what Slack would not have expected of an app, and every error in the bot's log. A look that
*failed* met one of the faults and was repeated.
"""


def _rows(results: Mapping[str, Result]) -> Iterator[list[str]]:
    def row(name: str, *numbers: int) -> list[str]:
        return [name, *map(str, numbers), *([str(sum(numbers))] if len(numbers) > 1 else [])]

    def counted(name: str, counters: list[Counter[str]], order: list[str]) -> Iterator[list[str]]:
        yield from (row(f"{name}{key}", *(counter[key] for counter in counters)) for key in order)

    every = [*results.values()]
    kills = [result.kills for result in every]
    yield row("kills", *(counter.total() for counter in kills))
    yield from counted("  ", kills, sorted(set().union(*kills)))
    yield row("  points not reached in time", *(result.missed.total() for result in every))
    yield row("events told", *(result.verdict.told for result in every))
    for what in ("lost", "repeated", "untrue", "stale"):
        yield row(what, *(len(getattr(result.verdict, what)) for result in every))
    yield row("posts beyond their attempts", *(len(result.excess) for result in every))
    yield row("odd", *(len(result.odd) for result in every))
    looks = [result.looks for result in every]
    yield row("looks", *(counter.total() for counter in looks))
    yield from counted("  ", looks, sorted(set().union(*looks)))
    requests = [result.requests for result in every]
    yield row("requests", *(counter.total() for counter in requests))
    yield from counted("  ", requests, sorted(set().union(*requests)))
    yield [
        "longest stall of the stand-ins",
        *(f"{result.stall:.2f} s" for result in every),
        *([""] if len(every) > 1 else []),
    ]
    yield ["seconds", *(f"{result.seconds:.0f}" for result in every), *([""] if len(every) > 1 else [])]


def complaints(results: Mapping[str, Result]) -> Iterator[str]:
    for store, result in results.items():
        for kind, lines in result.complaints.items():
            yield f"{store}, {kind}:"
            yield from (f"  {line}" for line in lines[:COMPLAINTS])
            if more := lines[COMPLAINTS:]:
                yield f"  and {len(more)} more"
        if result.never:
            yield f"{store}, never reached: {', '.join(result.never)}"
