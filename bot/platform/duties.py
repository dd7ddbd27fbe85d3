"""What a process does for the platform from time to time. The rows say what is due, and which process does it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from bot.platform.authorization import CODE_REFUSED, NOT_AUTHORISED, retry_wait
from bot.platform.exchange import ForeignAccountError
from bot.platform.services import PlatformServices
from bot.runtime.logs import LogEvent, error_fields
from bot.store import authorizer_rows, platform_rows
from bot.store.authorizer_rows import Authorizer
from bot.store.database import Tx
from bot.tenant_states import TenantState
from wechat_kf import KfError, platform
from wechat_kf.transport import send

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two steps; a push wakes the next one
LEASE = timedelta(seconds=60)  # for what is due for one account
MOST = 20  # accounts in one step
TICKET_AGE = timedelta(minutes=30)  # WeChat pushes one every 10 minutes
START_EVERY = timedelta(hours=1)
AGAIN = timedelta(minutes=1)  # after a failure to read the list
MOST_FAILURES = 90  # of one account, over longer than a code lives
FACTS_AGAIN = timedelta(hours=1)  # then
MISSED_LISTS = 2  # complete ones in a row; then a token is requested, and WeChat's answer decides
MOST_ASKED = 20  # such accounts after one list

Announce = Callable[[Tx, Authorizer], Awaitable[bool]]


class PlatformDuties:
    """The steps of a periodic task. A failure of one part leaves the others."""

    def __init__(self, services: PlatformServices, announce: Announce) -> None:
        """Keep what the steps need.

        Args:
            announce: queues the notice of a withdrawal in the channel of the account, in this transaction. Returns
                False if this process has not loaded the account yet: a pause ends with the withdrawal.
        """
        self._services = services
        self._store = services.store
        self._appid = services.appid
        self._announce = announce
        self._failures: dict[str, int] = {}  # by AppID, of exchanges in a row
        self._list_again_at: datetime | None = None

    async def step(self) -> None:
        """Do what is due."""
        await self._services.stored.store_ticket()
        async with self._store.begin() as tx:
            row = await platform_rows.load(tx, self._appid)
            now = tx.now
            await authorizer_rows.delete_expired_codes(tx)
        self._services.gate.note_row(row)
        if row.pushed_at is None or now - row.pushed_at > TICKET_AGE:
            await self._start_pushes()
        if self._list_again_at is None or now >= self._list_again_at:
            await self._read_list(now)
        async with self._store.begin() as tx:
            due = await authorizer_rows.claim_due(tx, self._appid, LEASE, MOST)
        await asyncio.gather(*map(self._do_due, due))

    async def _start_pushes(self) -> None:
        """Ask WeChat to push tickets again."""
        async with self._store.begin() as tx:
            if not await platform_rows.claim_start(tx, self._appid, START_EVERY):
                return
        request = platform.start_push(self._appid, self._services.settings.platform_secret)
        try:
            await send(self._services.http, request, proxied=self._services.proxied)
        except KfError as error:
            error.of_platform = True
            await self._services.gate.note_error(error)
            log.warning(LogEvent("tickets requested", outcome="failed", **error_fields(error)))
        else:
            log.info(LogEvent("tickets requested", outcome="ok"))

    async def _read_list(self, now: datetime) -> None:
        try:
            was_read = await self._services.list.read_if_due()
        except KfError as error:
            # Without a ticket there was no call, and the next one may come at any moment.
            self._list_again_at = now + AGAIN if self._services.gate.has_fault else None
            log.warning(LogEvent("list of authorised accounts read", outcome="failed", **error_fields(error)))
            return
        self._list_again_at = None
        if was_read:
            await self._ask_missing()

    async def _ask_missing(self) -> None:
        """Request a token for accounts that the list has lacked: 61003 shows that they have withdrawn."""
        async with self._store.begin() as tx:
            appids = await authorizer_rows.lacking(tx, self._appid, MISSED_LISTS)
        for appid in appids[:MOST_ASKED]:
            tokens = self._services.tokens_of(appid)
            try:
                await tokens.refresh(await tokens.get())
            except KfError as error:
                log.info(LogEvent("account lacking in the list", **error_fields(error)))
                await self._services.outcomes.apply_failure(appid, error)

    async def _do_due(self, claimed: Authorizer) -> None:
        """Do what is due for one account, and let it be due again if that has failed."""
        if claimed.state is TenantState.REVOKED:
            async with self._store.begin() as tx:
                if await self._announce(tx, claimed):
                    await authorizer_rows.end_claim(tx, claimed, None)
            return  # else it is due again at the end of the lease
        try:
            await self._services.exchange.read_facts(await self._exchanged(claimed))
        except ForeignAccountError:
            again = None
        except KfError as error:
            failures = self._failures[claimed.appid] = self._failures.get(claimed.appid, 0) + 1
            again = retry_wait(failures) if failures <= MOST_FAILURES else FACTS_AGAIN
            log.warning(LogEvent("account not exchanged", **error_fields(error)))
            if getattr(error, "errcode", None) == NOT_AUTHORISED:
                await self._services.outcomes.apply_failure(claimed.appid, error)
                again = None
        else:
            self._failures.pop(claimed.appid, None)
            return
        async with self._store.begin() as tx:
            await authorizer_rows.end_claim(tx, claimed, tx.now + again if again else None)

    async def _exchanged(self, claimed: Authorizer) -> Authorizer:
        """Exchange the code of an account, if it has one. One that WeChat refuses is given up."""
        exchange = self._services.exchange
        code, until = await exchange.code(claimed.appid), claimed.code_until
        if not code or until is None:
            return claimed
        try:
            return await exchange.exchange(code, until=until, claimed=claimed)
        except KfError as error:
            if getattr(error, "errcode", None) not in CODE_REFUSED:
                raise
            log.info(LogEvent("code refused", **error_fields(error)))
        return await exchange.give_up(claimed, code)
