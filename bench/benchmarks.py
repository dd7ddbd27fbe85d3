"""The benchmark suite and its limits."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

from bench import ack_latency, memory, modal_latency, poll_cpu, reply_latency, startup
from bench.obliging_slack import serve_obliging_slack
from bench.results import Figure
from bench.testbed import ACCOUNTS, OPERATOR, Testbed, sqlite
from bot.demo.process import running
from wechat_kf.simulator import Fault, FaultMode

STARTS = 7
WECHAT_SECONDS = 0.1  # of each answer, about what it takes over the internet
OPERATION_REQUESTS = 3  # to WeChat: the list, the change, and the list again
NO_SLOWER = 1.1  # by which two measurements of the same thing may differ


async def acknowledgements(testbed: Testbed, folder: Path) -> list[Figure]:
    environ = testbed.environ(sqlite(folder, "acks"))
    async with running(environ) as bot, running(environ, module="bench.baseline_bolt") as bare:
        ours, theirs = await ack_latency.take(testbed.slack.signing_secret, testbed.sink, bot.url, bare.url)
    idle = testbed.environ(sqlite(folder, "idle"))
    busy = testbed.environ(sqlite(folder, "busy"), POLL_SECONDS="1")
    async with running(idle) as calm, running(busy) as hurried:
        resting, ticking = await ack_latency.take(testbed.slack.signing_secret, testbed.sink, calm.url, hurried.url)
    return [
        _both(
            "Acknowledgement p50, ours / bare Bolt app",
            ack_latency.typical(ours, 50),
            ack_latency.typical(theirs, 50),
        ),
        _ratio("Ratio of the two", ack_latency.ratio(ours, theirs, 50), 1.15),
        _both(
            "Acknowledgement p99, ours / bare Bolt app",
            ack_latency.typical(ours, 99),
            ack_latency.typical(theirs, 99),
        ),
        _ratio("Ratio of the two", ack_latency.ratio(ours, theirs, 99), 1.5),
        _both(
            "The same p99, a tick a second / idle",
            ack_latency.typical(ticking, 99),
            ack_latency.typical(resting, 99),
        ),
        _ratio("Ratio of the two", ack_latency.ratio(ticking, resting, 99), 2),
    ]


async def replies(testbed: Testbed, folder: Path) -> list[Figure]:
    environ = testbed.environ(sqlite(folder, "replies"))
    async with (
        running(environ, module="bench.uncached_bot") as bot,
        running(environ, module="bench.baseline_no_bolt") as plain,
    ):
        ours, theirs = await reply_latency.take(testbed.slack.signing_secret, bot.url, plain.url)
    what = f"`/kf` with {ACCOUNTS} accounts to its answer p50, ours / without Bolt"
    return [
        _both(what, reply_latency.middle(ours), reply_latency.middle(theirs)),
        _ratio("Ratio of the two", reply_latency.ratio(ours, theirs), 1.3),
    ]


async def modals(testbed: Testbed, folder: Path) -> list[Figure]:
    """Measure clicks beside a bare Bolt app, and submissions beside what WeChat takes for its answers."""
    secret = testbed.slack.signing_secret
    async with serve_obliging_slack() as slack:
        more = {"KF_OPERATORS": OPERATOR, "SLACK_API_URL": slack.url}
        environ = testbed.environ(sqlite(folder, "clicks"), **more)
        bare_environ = environ | {"SLACK_BOT_TOKEN": "xoxb-bare"}
        async with running(environ) as bot, running(bare_environ, module="bench.baseline_bolt") as bare:
            ours, theirs = await modal_latency.take_clicks(secret, bot.url, bare.url)
        opened = {token: slack.calls[token, "views.open"] for token in (environ["SLACK_BOT_TOKEN"], "xoxb-bare")}
        if len({*opened.values()}) > 1:
            raise RuntimeError(f"not every click opened a modal: {opened}")
        testbed.wechat.inject(Fault(FaultMode.SLOW, times=None, seconds=WECHAT_SECONDS))
        environ = testbed.environ(sqlite(folder, "submissions"), **more)
        async with running(environ, module="bench.unlimited_bot") as bot:
            submitted = await modal_latency.take_submissions(secret, bot.url)
        testbed.wechat.clear_faults()
    wechat = OPERATION_REQUESTS * WECHAT_SECONDS * 1000
    late = ack_latency.percentile(submitted, 95) - wechat
    return [
        _both(
            "Acknowledgement of a click that opens a modal p50, ours / bare Bolt app",
            ack_latency.typical(ours, 50),
            ack_latency.typical(theirs, 50),
        ),
        _ratio("Ratio of the two", ack_latency.ratio(ours, theirs, 50), 1.3),
        Figure("Submitted form to its result p95", f"{ack_latency.percentile(submitted, 95):.0f} ms"),
        _below("The same without WeChat's answers", late, 150, "ms"),
    ]


async def polls(testbed: Testbed, stores: Mapping[str, tuple[str, str]]) -> list[Figure]:
    """Measure polls. `stores` are by kind a new one, and one that gets years of history."""
    found = []
    for kind, (young, old) in stores.items():
        first, later = await poll_cpu.take(testbed.environ(young), young, old)
        look, there = statistics.median(first.polls), statistics.median(later.polls)
        passing = statistics.median(first.edit_passes)
        found += [
            _below(f"CPU of a poll of {ACCOUNTS} unchanged accounts, {kind}", look, 20, "ms"),
            Figure(f"The edit pass after it, {kind}", f"{passing:.1f} ms"),
            _ratio(f"The poll with 10,000 closed episodes, {kind}, compared to none", there / look, NO_SLOWER),
        ]
    return found


async def growth(testbed: Testbed, folder: Path, commands: int) -> list[Figure]:
    samples = []
    async with running(testbed.environ(sqlite(folder, "memory"))) as bot:
        async for answered, rss in memory.take(bot.process.pid, testbed.slack.signing_secret, bot.url, commands):
            samples.append(rss)
            if len(samples) % 10 == 1:
                print(f"{answered:,} commands answered: {rss:.1f} MB", file=sys.stderr, flush=True)
    return [
        _below("Resident memory after the start", samples[0], 110, "MB"),
        _below(f"The same after {commands:,} commands", samples[-1], 110, "MB"),
        _below("Growth during the last third of them", memory.growth(samples), memory.GROWTH, "MB"),
    ]


async def startup_times(testbed: Testbed, folder: Path) -> list[Figure]:
    environs = [testbed.environ(sqlite(folder, f"start{number}")) for number in range(STARTS)]
    begun = statistics.median([await startup.bot(environ) for environ in environs])
    shown = statistics.median([await startup.page() for _ in range(STARTS)])
    return [
        _below("Start to first `/healthz`, median", begun, 1.5, "s"),
        _below("`make demo` to a usable page, median", shown, 3, "s"),
    ]


def _both(what: str, ours: float, theirs: float) -> Figure:
    return Figure(what, f"{ours:.2f} / {theirs:.2f} ms")


def _ratio(what: str, found: float, bound: float) -> Figure:
    return Figure(what, f"{found:.2f}", f"at most {bound:g}", found <= bound)


def _below(what: str, found: float, bound: float, unit: str) -> Figure:
    return Figure(what, f"{found:.{2 if unit == 's' else 1}f} {unit}", f"under {bound:g} {unit}", found < bound)
