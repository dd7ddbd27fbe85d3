"""What one-off commands print: the list as a table, and one look for schedulers."""

from __future__ import annotations

import asyncio
import sys

from bot import hosting
from bot.episodes import rank, seen
from bot.parts import Parts, parts_of
from bot.ports import utc_now
from bot.settings import Settings
from bot.store import StoreError
from bot.store.errors import waiting_for
from bot.watch import Tick
from wechat_kf import KfAccount, KfError

DELIVERY_SECONDS = 120  # the most that `check` spends on telling; what is left goes with the next look


async def show_list(settings: Settings) -> int:
    """Print the accounts as a table. 1 when WeChat could not be read."""
    async with parts_of(settings) as parts:
        try:
            listed = await parts.accounts.kf_list()
        except KfError as exc:
            return _failed(exc, settings.platform_without_proxy)
    _print_table(listed.accounts, settings)
    return 0


async def check(settings: Settings) -> int:
    """Look once, tell what there is to tell, and exit. 1 when the read or the store failed."""
    async with parts_of(settings) as parts:
        if parts.watcher is None or parts.store is None:
            print("ALERTS is off: there is nothing to check.", file=sys.stderr)
            return 1
        try:
            await parts.watcher.make_due()
            look = await parts.watcher.tick()
            await _deliver(parts)
            if look is Tick.GOOD:
                await parts.beat()
        except StoreError as exc:
            print(f"The store cannot be used ({waiting_for(exc) or exc}): look at DATABASE_URL.", file=sys.stderr)
            return 1
    print(f"WeChat: {look.value}.")
    return 1 if look is Tick.FAILED else 0


async def _deliver(parts: Parts) -> None:
    try:
        async with asyncio.timeout(DELIVERY_SECONDS):
            # Each round posts one message; the pause is Slack's pace.
            while parts.delivery and (pause := await parts.delivery.run()):  # noqa: ASYNC110
                await asyncio.sleep(pause)
    except TimeoutError:
        print("Not everything could be told in time; the rest goes with the next look.", file=sys.stderr)


def _print_table(accounts: tuple[KfAccount, ...], settings: Settings) -> None:
    # Imported here: a tenth of a second that no server needs. It knows how wide a Chinese character is.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    now = utc_now()
    table = Table("account", "name", "seat", "state", "WeChat ID", "deadline")
    states = [(seen(account, now, settings.alert_leads), account) for account in accounts]
    for what, account in sorted(states, key=lambda pair: (rank(pair[0]), pair[1].key)):
        invitation = account.invitation
        deadline = invitation.expires_at if invitation and not account.kf_wx else None
        cells = (
            account.key,
            account.kf_nick,
            account.kf_id,
            what,
            account.kf_wx or (invitation.invite_wx if invitation else ""),
            f"{deadline:%Y-%m-%d %H:%M} UTC" if deadline else "",
        )
        # As Text and printable: a nickname may hold markup, or bytes that move a terminal's cursor.
        table.add_row(*(Text("".join(filter(str.isprintable, cell))) for cell in cells))
    Console().print(table)
    print(f"{len(accounts)} accounts")


def _failed(error: KfError, platform: str) -> int:
    advice = getattr(error, "advice", "")
    if platform and getattr(error, "address", None):
        advice = f"{hosting.advice(platform)} {advice}"
    print(f"WeChat could not be read: {error}{f'. {advice}' if advice else ''}", file=sys.stderr)
    return 1
