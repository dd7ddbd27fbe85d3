"""The command `accounts`: list the Official Accounts of an installation, and choose those that a command is about.

It asks neither Slack nor WeChat.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.blocks.account_states import state_words
from bot.blocks.answers.diagnosis import ENGLISH
from bot.blocks.channel.incident_notices import incident_title
from bot.fleet_overview import TenantFigures, TenantName, nearest_tenants
from bot.runtime.escaping import cut, escape
from bot.runtime.tasks import with_timeout
from bot.settings.values import LIST, Settings
from bot.store import fleet_figures
from bot.store.inspection import is_absent, read_only_stores
from bot.store.store_errors import StoreError, waiting_for
from bot.tenant_states import AUTHORISATION
from bot.tenants.installation import PAUSED, Installation, Paused, find
from bot.tenants.tenant import Tenant
from bot.text import fold, many

# The variables that decide which accounts there are, and what is known of them.
ACCOUNTS = (*LIST, "ALERTS", "SLACK_ALERT_CHANNEL", "TOKEN_SERVICE_URL", "DATABASE_URL")
KEYS = ("STORE_KEYS", "DATABASE_URL", "ALERTS")  # the variables of the command `keys`
SECONDS = 8.0  # for the store
LONGEST_CELL = 100  # characters
NOT_KNOWN = "-"
WHOLE = ("handle", "AppID")  # columns to copy from, which are not broken into lines
WIDTH = 200  # characters of a line in a file or a pipe


class UnknownAccountError(Exception):
    """No account has this handle or AppID. The text names the nearest."""


def choose(tenants: Sequence[Tenant], word: str | None) -> Sequence[Tenant]:
    """Return the account with a handle, with or without `@`, or with an AppID; all accounts for None.

    Raises:
        UnknownAccountError: there is none.
    """
    if word is None:
        return tenants
    if found := find(tenants, word):
        return [found]
    names = [TenantName(one.appid, one.slug, one.name) for one in tenants]
    near = nearest_tenants(word.lstrip("@＠"), names) or names[:3]
    nearest = f"; the nearest: {', '.join(f'@{one.slug}' for one in near)}" if near else ""
    raise UnknownAccountError(f"There is no account {escape(cut(word, LONGEST_CELL))}{nearest}")


def names(tenants: Sequence[Tenant]) -> str:
    """Write `3 accounts: @harbour, @kiosk, @orchid`."""
    return f"{many(len(tenants), 'account')}: {', '.join(f'@{one.slug}' for one in tenants)}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which accounts to list; with the defaults all."""

    state: str = ""  # "watched", "paused", or one of AUTHORISATION
    label: str = ""

    def include(self, listed: Paused) -> bool:
        state = listed.tenant.state
        state_words = ["paused"] if listed.why else [*(["watched"] if state.is_polled else []), state]
        return self.state in ("", *state_words) and (not self.label or fold(self.label) in listed.tenant.labels)


EVERY = Chosen()


async def show(settings: Settings, installation: Installation, chosen: Chosen = EVERY, *, as_json: bool) -> int:
    """Print accounts as a table or as JSON, with what the store knows of each if it can be read."""
    every = [*(Paused(one, "") for one in installation.watched), *installation.paused]
    listed = [one for one in every if chosen.include(one)]
    known = await _figures(settings, [one.tenant for one in listed])
    if as_json:
        print(json.dumps([_as_json(one.tenant, known.get(one.tenant.appid), one.why) for one in listed], indent=2))
    else:
        _print_table(listed, known)
    return 0


async def _figures(settings: Settings, tenants: Sequence[Tenant]) -> Mapping[str, TenantFigures]:
    """Return the figures by AppID; none if the store cannot be read, for whatever reason."""
    if not settings.alerts or not tenants or is_absent(settings.database_url):
        return {}
    try:
        return await with_timeout(_read(settings, tenants), SECONDS)
    except (*StoreError, TimeoutError) as exc:
        words = (waiting_for(exc) if isinstance(exc, StoreError) else None) or str(exc)
        print(f"The store cannot be read ({cut(words, LONGEST_CELL)}): look at DATABASE_URL.", file=sys.stderr)
        return {}


async def _read(settings: Settings, tenants: Sequence[Tenant]) -> Mapping[str, TenantFigures]:
    async with read_only_stores(settings.database_url) as store_of, store_of(tenants[0].appid, "").begin() as tx:
        until = {one.appid: one.settings.policy.expiring_until(tx.now) for one in tenants}
        return await fleet_figures.figures(tx, until, tx.now)


def _print_table(listed: Sequence[Paused], known: Mapping[str, TenantFigures]) -> None:
    # Imported here: a tenth of a second that no server needs. It knows how wide a Chinese character is.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    titles = ["handle", "name", "AppID", "channel", "source", "labels", "last successful poll", "state"]
    if any(one.tenant.state in AUTHORISATION for one in listed):
        titles.append("next step")
    for title in titles:
        table.add_column(title, no_wrap=title in WHOLE)
    for tenant, why in ((one.tenant, one.why) for one in listed):
        figures = known.get(tenant.appid)
        polled = figures and figures.read_at
        cells = (
            f"@{tenant.slug}",
            tenant.name,
            tenant.appid,
            tenant.settings.slack_alert_channel,
            tenant.source,
            ", ".join(tenant.labels),
            f"{polled:%Y-%m-%d %H:%M} UTC" if polled else NOT_KNOWN,
            _state(tenant, figures, why),
            _next_step(tenant, why),
        )
        # As Text: a name may hold markup.
        table.add_row(*(Text(escape(cut(cell, LONGEST_CELL))) for cell in cells[: len(titles)]))
    # Without colours: the terminal gets no control character at all.
    Console(color_system=None, width=None if sys.stdout.isatty() else WIDTH).print(table)
    print(many(len(listed), "account"))


def _as_json(tenant: Tenant, figures: TenantFigures | None, why_paused: str) -> dict[str, Any]:
    polled: datetime | None = figures.read_at if figures else None
    words = state_words(tenant.state, ENGLISH)
    return {
        "handle": tenant.slug,
        "name": tenant.name,
        "appid": tenant.appid,
        "origin": tenant.origin,
        "channel": tenant.settings.slack_alert_channel or None,
        "source": tenant.source,
        "labels": list(tenant.labels),
        "last_successful_poll": polled.isoformat() if polled else None,
        "state": _state(tenant, figures, why_paused) if figures or why_paused or words else None,
        **({"next_step": _next_step(tenant, why_paused)} if words else {}),
    }


def _next_step(tenant: Tenant, why_paused: str) -> str:
    words = None if why_paused else state_words(tenant.state, ENGLISH)
    return ENGLISH.plain(ENGLISH.capitalized(words.next)) if words else ""


def _state(tenant: Tenant, figures: TenantFigures | None, why_paused: str) -> str:
    """Write `WeChat does not answer, 2 need attention`, or `well`; of a paused account why it is.

    The state of an authorisation begins with its word, as in `revoked: The owner has withdrawn the authorisation`.
    """
    if why_paused:
        return why_paused if why_paused == PAUSED else f"{PAUSED}: {why_paused}"
    if words := state_words(tenant.state, ENGLISH):
        return f"{tenant.state}: {ENGLISH.plain(words.title)}"
    if figures is None:
        return NOT_KNOWN
    parts = []
    if figures.incident:
        parts.append(incident_title(figures.incident, ENGLISH))
    elif figures.failing_since:
        parts.append("the last poll failed")
    elif figures.read_at is None:
        parts.append("not polled yet")
    if figures.due:
        parts.append(f"{figures.due} {'needs' if figures.due == 1 else 'need'} attention")
    return ", ".join(parts) or "well"
