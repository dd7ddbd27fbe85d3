"""One-off commands: print the accounts as a table or JSON, or poll once for a scheduler."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace

from bot import hosting
from bot.accounts import Snapshot
from bot.blocks.answers.diagnosis import plain_words
from bot.health.rules import may_be_silent
from bot.ports import utc_now
from bot.runtime.escaping import cut, escape
from bot.settings.values import Settings
from bot.store.store_errors import StoreError, waiting_for
from bot.text import many
from bot.watcher.poller import Tick
from bot.wiring import Services, build_services
from wechat_kf import KfError

LONGEST = 500  # characters of an error in the words of WeChat or of the database
LONGEST_CELL = 100  # and of a cell of the table
DELIVERY_SECONDS = 120  # time limit of delivery in `check`; the next run delivers the rest


async def show_list(settings: Settings, *, as_json: bool) -> int:
    """Print the accounts, as a table or as JSON. Return 1 if WeChat could not be read."""
    # Only WeChat's settings need to make sense here.
    async with build_services(replace(settings, alerts=False, heartbeat_url="")) as services:
        try:
            listed = await services.accounts.kf_list()
        except KfError as exc:
            return _failed(exc, settings.platform_without_proxy)
    snapshot = Snapshot.of(listed, utc_now(), settings.policy)
    if as_json:
        print(_as_json(snapshot))
    else:
        _print_table(snapshot)
    return 0


async def check(settings: Settings) -> int:
    """Poll once, post what there is, and print a summary. Return 1 if it failed or alerts may be lost."""
    async with build_services(settings) as services:
        if services.watcher is None or services.store is None:
            print("ALERTS is off: there is nothing to check.", file=sys.stderr)
            return 1
        try:
            await services.watcher.make_due()
            tick = await services.watcher.tick()
            await _deliver(services)
            if tick is Tick.GOOD:
                await services.beat()
            problems = [
                problem for problem in await services.status_reporter.problems() if may_be_silent((problem,))
            ]
        except StoreError as exc:
            why = cut(waiting_for(exc) or str(exc), LONGEST)
            print(f"The store cannot be used ({why}): look at DATABASE_URL.", file=sys.stderr)
            return 1
    listed, posted = services.watcher.listed, many(services.metrics.number("post", "sent"), "message")
    summary = [_summary(Snapshot.of(listed, utc_now(), settings.policy))] if listed else []
    if tick is not Tick.GOOD:
        summary.append(f"WeChat: {tick.value}")
    print(", ".join([*summary, f"{posted} posted"]))
    for problem in problems:
        print(*plain_words(problem), file=sys.stderr)
    return 1 if problems or tick is Tick.FAILED else 0


async def _deliver(services: Services) -> None:
    try:
        async with asyncio.timeout(DELIVERY_SECONDS):
            # Each round posts one message; the pause is Slack's pace.
            while services.delivery and (pause := await services.delivery.run()):  # noqa: ASYNC110
                await asyncio.sleep(pause)
    except TimeoutError:
        print("Not everything could be told in time; the rest goes with the next look.", file=sys.stderr)


def _summary(snapshot: Snapshot) -> str:
    """Write `5 accounts, 3 need attention`."""
    parts = [many(len(snapshot.rows), "account")]
    if snapshot.unreadable:
        parts.append(f"{snapshot.unreadable} more cannot be read")
    due = len(snapshot.due)
    return ", ".join([*parts, f"{due} {'needs' if due == 1 else 'need'} attention"])


def _print_table(snapshot: Snapshot) -> None:
    # Imported here: a tenth of a second that no server needs. It knows how wide a Chinese character is.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("account", "name", "seat", "state", "WeChat ID", "deadline")
    for row in snapshot.rows:
        account, deadline = row.account, row.deadline
        cells = (
            account.key,
            account.kf_nick,
            account.kf_id,
            row.status,
            account.kf_wx or row.invite_wx,
            f"{deadline:%Y-%m-%d %H:%M} UTC" if deadline else "",
        )
        # As Text: a nickname may hold markup.
        table.add_row(*(Text(escape(cut(cell, LONGEST_CELL))) for cell in cells))
    # Without colours: the terminal gets no control character at all, so that none of WeChat's can hide among them.
    Console(color_system=None).print(table)
    print(_summary(snapshot))


def _as_json(snapshot: Snapshot) -> str:
    """Render the accounts for programs, with the field names of WeChat's API. Times are UTC."""
    accounts = [
        {
            "kf_account": row.account.key,
            "kf_nick": row.account.kf_nick,
            "kf_id": row.account.kf_id,
            "state": row.status,
            "kf_wx": row.account.kf_wx,
            "invite_wx": row.invite_wx or None,
            "expires_at": row.deadline and row.deadline.isoformat(),
        }
        for row in snapshot.rows
    ]
    return json.dumps(
        {"read_at": snapshot.at.isoformat(), "unreadable": snapshot.unreadable, "accounts": accounts}, indent=2
    )


def _failed(error: KfError, platform: str) -> int:
    advice = getattr(error, "advice", "")
    if platform and getattr(error, "address", None):
        advice = f"{hosting.advice(platform)} {advice}"
    print(f"WeChat could not be read: {cut(str(error), LONGEST)}{f'. {advice}' if advice else ''}", file=sys.stderr)
    return 1
