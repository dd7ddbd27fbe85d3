"""One-off commands: print the accounts as a table or JSON, or poll once for a scheduler."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bot import hosting
from bot.accounts import Snapshot
from bot.blocks.account_states import state_words
from bot.blocks.answers.diagnosis import ENGLISH, plain_words
from bot.fleet import Fleet, build_fleet
from bot.health.problem_rules import may_be_silent
from bot.ports import utc_now
from bot.runtime.escaping import cut, escape
from bot.settings.values import Settings
from bot.store import shared_channel_rows
from bot.store.store_errors import StoreError, waiting_for
from bot.tenant_states import POLLED, TenantState
from bot.tenants.table_keys import Source
from bot.tenants.tenant import Tenant
from bot.text import many
from bot.watcher.poller import Tick
from bot.wiring import Services
from wechat_kf import KfError

LONGEST = 500  # characters of an error in the words of WeChat or of the database
LONGEST_CELL = 100  # and of a cell of the table
DELIVERY_SECONDS = 120  # time limit of delivery in `check`; the next run delivers the rest


async def show_list(settings: Settings, tenants: Sequence[Tenant], *, as_json: bool) -> int:
    """Print the kf accounts, as a table or as JSON. Return 1 if WeChat could not be read.

    Of several Official Accounts each has a table under its name, or an object with its `handle`.
    """
    # Only WeChat's settings need to make sense here, unless the store has the tokens.
    needs_store = any(one.source == Source.PLATFORM for one in tenants)
    quiet = [replace(one, settings=replace(one.settings, alerts=False)) for one in tenants]
    snapshots: list[tuple[Tenant, Snapshot]] = []
    async with build_fleet(replace(settings, alerts=needs_store, heartbeat_url=""), quiet) as fleet:
        for appid in fleet.tenants:
            services = fleet.accounts[appid]
            if words := _why_not_polled(services.tenant.state):
                print(f"{_prefix(services)}{words}", file=sys.stderr)
                continue
            try:
                listed = await services.accounts.kf_list()
            except KfError as exc:
                _complain(exc, settings.hosted_by_without_proxy, _prefix(services))
                continue
            except StoreError as exc:
                return _store_failed(exc)
            tenant = services.tenant
            snapshots.append((tenant, Snapshot.of(listed, utc_now(), tenant.settings.policy)))
    if as_json:
        found = [_as_json(tenant if len(tenants) > 1 else None, snapshot) for tenant, snapshot in snapshots]
        if found:
            print(json.dumps(found if len(tenants) > 1 else found[0], indent=2))
    else:
        for tenant, snapshot in snapshots:
            _print_table(tenant.title if len(tenants) > 1 else "", snapshot)
    return 0 if len(snapshots) == len(tenants) else 1


def _why_not_polled(state: TenantState) -> str:
    """Return why WeChat is not asked about an account, with the next step; "" if it is."""
    words = None if state.is_polled else state_words(state, ENGLISH)
    return f"{words.title}. {ENGLISH.capitalized(ENGLISH.plain(words.next))}" if words else ""


async def check(settings: Settings, tenants: Sequence[Tenant], chosen: Sequence[Tenant] = ()) -> int:
    """Poll once, post what there is, and print a summary. Return 1 if it failed or alerts may be lost.

    Args:
        chosen: the accounts to poll, if not all: messages name the account as if all were polled.
    """
    if not settings.alerts:
        print("ALERTS is off: there is nothing to check.", file=sys.stderr)
        return 1
    async with build_fleet(settings, tenants) as fleet:
        accounts = [fleet.accounts[one.appid] for one in chosen or tenants]
        polled = [services for services in accounts if services.tenant.state in POLLED]
        try:
            ticks = [await _poll(services) for services in polled]
            await _deliver(accounts)
            if all(tick.is_good for tick in ticks) and len(accounts) == len(tenants):
                await fleet.beat()
            found = [(one, problems) for one, problems in await fleet.problems() if one in (chosen or tenants)]
        except StoreError as exc:
            return _store_failed(exc)
    for services, tick in zip(polled, ticks, strict=True):
        listed = services.watcher.listed if services.watcher else None
        summary = [_summary(Snapshot.of(listed, utc_now(), services.settings.policy))] if listed else []
        if not tick.is_good:
            summary.append(f"WeChat: {tick.value}")
        if len(tenants) == 1:
            summary.append(_posted(fleet))
        print(_prefix(services) + ", ".join(summary))
    if len(tenants) > 1:
        print(_posted(fleet))
    silent = [(one, problem) for one, problems in found for problem in problems if may_be_silent((problem,))]
    for tenant, problem in silent:
        print(_prefix(fleet.accounts[tenant.appid]) + " ".join(plain_words(problem)), file=sys.stderr)
    return 1 if silent or Tick.FAILED in ticks else 0


def _store_failed(exc: Exception) -> int:
    why = cut(waiting_for(exc) or str(exc), LONGEST)
    print(f"The store cannot be used ({why}): look at DATABASE_URL.", file=sys.stderr)
    return 1


async def _poll(services: Services) -> Tick:
    if services.watcher is None:
        return Tick.NOTHING_DUE
    await services.watcher.make_due()
    return await services.watcher.tick()


async def _deliver(accounts: Sequence[Services]) -> None:
    async def deliver_all(services: Services) -> None:
        if services.store and services.recorder and services.recorder.channel_appids:
            async with services.store.begin() as tx:  # this command polls no other account later
                await shared_channel_rows.make_due(tx, tx.now)
        # Each round posts one message; the pause is Slack's pace.
        while services.delivery and (pause := await services.delivery.run()):  # noqa: ASYNC110
            await asyncio.sleep(pause)

    try:
        async with asyncio.timeout(DELIVERY_SECONDS):
            await asyncio.gather(*map(deliver_all, accounts))
    except TimeoutError:
        print("Not everything could be posted in time: the next check posts the rest.", file=sys.stderr)


def _posted(fleet: Fleet) -> str:
    return f"{many(fleet.shared.metrics.number('post', 'sent'), 'message')} posted"


def _prefix(services: Services) -> str:
    """Return what names the account at the beginning of a line, if there are several."""
    return f"{services.tenant.title}: " if services.is_one_of_several else ""


def _summary(snapshot: Snapshot) -> str:
    """Write `5 accounts, 3 need attention`."""
    parts = [many(len(snapshot.rows), "account")]
    if snapshot.unreadable:
        parts.append(f"{snapshot.unreadable} more cannot be read")
    due = len(snapshot.due)
    return ", ".join([*parts, f"{due} {'needs' if due == 1 else 'need'} attention"])


def _print_table(title: str, snapshot: Snapshot) -> None:
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
    if title:
        print(escape(title))
    # Without colours: the terminal gets no control character at all, so that none of WeChat's can hide among them.
    Console(color_system=None).print(table)
    print(_summary(snapshot))


def _as_json(tenant: Tenant | None, snapshot: Snapshot) -> dict[str, Any]:
    """Return the accounts for programs, with the field names of WeChat's API. Times are UTC."""
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
    known = {"handle": tenant.slug, "appid": tenant.appid} if tenant else {}
    return known | {"read_at": snapshot.at.isoformat(), "unreadable": snapshot.unreadable, "accounts": accounts}


def _complain(error: KfError, host: str, prefix: str) -> None:
    advice = getattr(error, "advice", "")
    if host and getattr(error, "address", None):
        advice = f"{hosting.advice(host)} {advice}"
    why = f"{cut(str(error), LONGEST)}{f'. {advice}' if advice else ''}"
    print(f"{prefix}WeChat could not be read: {why}", file=sys.stderr)
