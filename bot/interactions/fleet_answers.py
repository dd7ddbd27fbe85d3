"""Answers about several Official Accounts. They come from the store, never from WeChat: one query for all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from bot import actions, requests
from bot.blocks import builders
from bot.blocks.answers import replies
from bot.blocks.answers.fleet_accounts import accounts_page
from bot.blocks.answers.fleet_invitations import all_page
from bot.blocks.answers.fleet_replies import no_such_account, which_account, without_alerts
from bot.blocks.answers.fleet_rows import title_of
from bot.blocks.answers.fleet_status import fleet_status
from bot.blocks.answers.guide import guide
from bot.blocks.answers.platform_facts import platform_parts
from bot.blocks.context import RenderContext
from bot.fleet_overview import TenantName, TenantOverview, nearest_tenants
from bot.health.facts import PlatformFacts, Problem
from bot.interactions.readers import Readers
from bot.interactions.rerun import suggestion_of
from bot.ports import Block, Clock, Message
from bot.requests import Help, List, Overview, Request, ShowStatus, Unknown
from bot.runtime.logs import LogEvent
from bot.runtime.tasks import with_timeout
from bot.store import fleet_figures
from bot.store.database import Store
from bot.store.store_errors import StoreError, waiting_for
from bot.tenant_requests import AccountsOverview, AllAccounts, FleetRequest
from bot.tenants.tenant import Tenant

log = logging.getLogger(__name__)

STORE_SECONDS = 2.0
MOST_OPTIONS = 100  # of a menu: https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element


class FleetAnswers:
    """Answers to what concerns no single Official Account. Every call names those that the person may see."""

    def __init__(
        self,
        store: Store | None,
        readers: Readers,
        clock: Clock,
        context: RenderContext,
        problems: Callable[[], Awaitable[Sequence[tuple[Tenant, Sequence[Problem]]]]],
        may_operate: Callable[[str], Awaitable[bool | None]],
        platform: Callable[[], PlatformFacts | None] = lambda: None,
    ) -> None:
        """Keep what answers need.

        Args:
            context: that of a reader whose language is not known.
            problems: returns the accounts that have problems, and these, and does not raise.
            may_operate: returns whether a person may change accounts.
            platform: returns what was last read of the third-party platform, if there is one.
        """
        self._store = store
        self._readers = readers
        self._clock = clock
        self._context = context
        self._problems = problems
        self._may_operate = may_operate
        self._platform = platform
        self._names: dict[str, TenantName] = {}  # by AppID: to fold a name takes longer than all the rest

    async def answer(self, request: FleetRequest, tenants: Sequence[Tenant], user_id: str) -> Message:
        """Return a page of Official Accounts, or of accounts of all of them."""
        context = await self._reader(user_id)
        try:
            return await with_timeout(self._page(request, tenants, context), STORE_SECONDS)
        except (*StoreError, TimeoutError) as exc:
            words = waiting_for(exc) if isinstance(exc, StoreError) else None
            log.warning(LogEvent("accounts cannot be read in the store", error=words or type(exc).__name__))
            return replies.database_away(context)

    async def _page(self, request: FleetRequest, tenants: Sequence[Tenant], context: RenderContext) -> Message:
        if isinstance(request, AccountsOverview):
            return accounts_page(await self._overview(tenants), request, self._clock(), context)
        return await self._invitations(request, tenants, context)

    async def of_several(self, text: str, tenants: Sequence[Tenant], user_id: str) -> Message:
        """Answer a command that names no account, where several are possible: those of the channel, or all."""
        request = requests.parse_command(text)
        if isinstance(request, Unknown) and request.typo_of:
            if answer := await self._of_several(request.typo_of, tenants, user_id):
                return replies.corrected(suggestion_of(request.typo_of).words, answer, await self._reader(user_id))
        elif answer := await self._of_several(request, tenants, user_id):
            return answer
        return which_account(self._names_of(tenants), text, await self._reader(user_id))

    async def _of_several(self, request: Request, tenants: Sequence[Tenant], user_id: str) -> Message | None:
        """Answer a request that may concern several accounts; None if it must name one."""
        match request:
            case Overview():
                return await self.answer(AccountsOverview(here=True), tenants, user_id)
            case List(page, states):
                every = AccountsOverview(page, here=True)
                chosen = AllAccounts(states, page, here=True) if states else every
                return await self.answer(chosen, tenants, user_id)
            case Help(topic):
                return await self.guide(topic, tenants, user_id)
            case ShowStatus():
                return await self.status(tenants, user_id)
        return None

    async def guide(self, topic: str, tenants: Sequence[Tenant], user_id: str) -> Message:
        """Explain one command, or all of them, and how to name an account."""
        operations = bool(await self._may_operate(user_id))
        handle = tenants[0].slug if tenants else ""
        return guide(await self._reader(user_id), topic, operations=operations, handle=handle)

    async def status(self, tenants: Sequence[Tenant], user_id: str) -> Message:
        """Return which of the accounts have a problem, and the problems of all, which another may report."""
        found, visible = await self._problems(), {tenant.appid for tenant in tenants}
        shared = [one for _, problems in found for one in problems if one.has_no_account]
        own = [
            (self._name(tenant), [one for one in problems if not one.has_no_account])
            for tenant, problems in found
            if tenant.appid in visible
        ]
        troubled = [(name, problems) for name, problems in own if problems]
        context, platform = await self._reader(user_id), self._platform()
        words = platform_parts(platform, self._clock(), context) if platform else ()
        return fleet_status(troubled, len(tenants), self._name(tenants[0]), context, shared, words)

    async def no_such_account(self, word: str, tenants: Sequence[Tenant], user_id: str) -> Message:
        """Answer a handle that none of the accounts has which the person may see."""
        # In a thread: among thousands of names it takes a part of a second.
        nearest = await asyncio.to_thread(nearest_tenants, word, self._names_of(tenants))
        return no_such_account(word, nearest, await self._reader(user_id))

    async def home_menu(self, tenants: Sequence[Tenant], appid: str, user_id: str) -> Sequence[Block]:
        """Build the menu with which a person chooses the account that App Home shows; nothing without any."""
        if not tenants:
            return ()
        context = await self._reader(user_id)
        first = tenants[:MOST_OPTIONS]
        if appid not in (one.appid for one in first):  # what is shown must be among the choices
            first = [*(one for one in tenants if one.appid == appid), *first][:MOST_OPTIONS]
        names = {one.appid: self._name(one) for one in first}
        options = {
            key: builders.option(title_of(name), actions.encode_for(key, "v1")) for key, name in names.items()
        }
        placeholder, initial = context.say("Official Account"), options.get(appid)
        menu = builders.select(placeholder, actions.HOME_ACCOUNT, [*options.values()], initial=initial)
        return (builders.section(f"*{placeholder}*") | {"accessory": menu},)

    def _name(self, tenant: Tenant) -> TenantName:
        if tenant.appid not in self._names:
            self._names[tenant.appid] = TenantName(tenant.appid, tenant.slug, tenant.name)
        return self._names[tenant.appid]

    def _names_of(self, tenants: Sequence[Tenant]) -> list[TenantName]:
        return [self._name(tenant) for tenant in tenants]

    async def _reader(self, user_id: str) -> RenderContext:
        return await self._readers.context(user_id, replace(self._context, around=self._clock()))

    async def _overview(self, tenants: Sequence[Tenant]) -> list[TenantOverview]:
        if self._store is None:
            return [TenantOverview(self._name(one), state=one.state) for one in tenants]
        async with self._store.begin() as tx:
            figures = await fleet_figures.figures(tx, _expiring_until(tenants, tx.now), tx.now)
        return [TenantOverview(self._name(one), figures[one.appid], one.state) for one in tenants]

    async def _invitations(
        self, request: AllAccounts, tenants: Sequence[Tenant], context: RenderContext
    ) -> Message:
        if self._store is None:
            return without_alerts(self._names_of(tenants), context)
        async with self._store.begin() as tx:
            found = await fleet_figures.open_invitations(
                tx, _expiring_until(tenants, tx.now), tx.now, request.states, number=request.page
            )
        return all_page(found, self._names_of(tenants), request, self._clock(), context)


def _expiring_until(tenants: Sequence[Tenant], now: datetime) -> dict[str, datetime]:
    """Return, by AppID, the latest deadline that counts as expiring."""
    until: dict[object, datetime] = {}  # most accounts have the same leads and quiet hours
    for one in tenants:
        settings = one.settings
        if (settings.alert_leads, settings.quiet) not in until:
            until[settings.alert_leads, settings.quiet] = settings.policy.expiring_until(now)
    return {one.appid: until[one.settings.alert_leads, one.settings.quiet] for one in tenants}
