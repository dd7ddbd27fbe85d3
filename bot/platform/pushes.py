"""What WeChat's pushes change in the store: the ticket of the platform, and the accounts that authorise it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum
from functools import partial

from bot.ports import no_op
from bot.runtime.logs import LogEvent
from bot.runtime.tasks import with_timeout
from bot.sealing import StoreKeys
from bot.store import authorizers, platform_rows
from bot.store.authorizers import AuthorizationEvent, EventKind
from bot.store.database import Store
from bot.store.sealed_secrets import CODE, TICKET
from bot.store.store_errors import waiting_for
from bot.store.token_leases import StoredTokens
from bot.tenants.table_keys import APPID
from bot.tenants.tenant import default_slug
from wechat_kf import envelope
from wechat_kf.envelope import Push

log = logging.getLogger(__name__)

STORE_SECONDS = 2.0  # WeChat waits for 5 s in all
EVENTS = {kind.value: kind for kind in EventKind}


class PushResult(StrEnum):
    """The outcome of a push, for the metrics."""

    TAKEN = "taken"
    OLD = "old"  # it changes nothing: repeated, late, or about an account that is defined elsewhere
    KEPT = "kept"  # a ticket, in memory since it cannot be stored
    LOST = "lost"  # an event that cannot be stored
    REFUSED = "refused"  # the AppID in it is not one


class Pushes:
    """Stores what pushes say. The handler of `web.platform_endpoint`, after a push was verified."""

    def __init__(
        self,
        store: Store,
        tokens: StoredTokens,
        keys: StoreKeys,
        platform_appid: str,
        *,
        wake: Callable[[], None] = lambda: None,
        count: Callable[[str, str], None] = no_op,
        within: float = STORE_SECONDS,
    ) -> None:
        """Keep where pushes go.

        Args:
            tokens: keeps a ticket that cannot be stored.
            wake: is called when an account may have changed, or the first ticket may have come.
            count: takes the kind of a push and its result.
            within: the limit of the store in seconds.
        """
        self._store = store
        self._tokens = tokens
        self._keys = keys
        self._platform_appid = platform_appid
        self._wake = wake
        self._count = count
        self._within = within

    async def take(self, push: Push) -> bool:
        """Store what a push says. Return False if it is lost unless WeChat sends it again."""
        kind = push.kind
        if kind == envelope.TICKET:
            result = await self._take_ticket(push)
        elif kind in EVENTS:
            result = await self._take_event(push)
        else:
            kind, result = "other", PushResult.TAKEN
        self._count(kind, result)
        if result is PushResult.TAKEN:
            log.info(LogEvent("push", kind=push.kind, account=push.appid or None))
            self._wake()
        return result is not PushResult.LOST

    async def _take_ticket(self, push: Push) -> PushResult:
        sealed = self._keys.seal(self._platform_appid, TICKET, push.ticket)

        async def store() -> bool:
            async with self._store.begin() as tx:
                return await platform_rows.take_ticket(tx, self._platform_appid, push.created_at, sealed)

        try:
            return PushResult.TAKEN if await with_timeout(store(), self._within) else PushResult.OLD
        except Exception as exc:
            _log_failure(push, exc)
            # The stored one is good for hours, and the next one comes in ten minutes.
            self._tokens.keep_ticket(self._platform_appid, push.created_at, sealed)
            return PushResult.KEPT

    async def _take_event(self, push: Push) -> PushResult:
        appid = push.appid
        if not APPID.fullmatch(appid):
            return PushResult.REFUSED
        code = self._keys.seal(appid, CODE, push.code) if push.code else ""
        event = AuthorizationEvent(EVENTS[push.kind], appid, push.created_at, code, push.code_until)

        async def store() -> bool:
            async with self._store.begin() as tx:
                slug_of = partial(default_slug, appid)
                return await authorizers.note_event(tx, event, self._platform_appid, slug_of)

        try:
            return PushResult.TAKEN if await with_timeout(store(), self._within) else PushResult.OLD
        except Exception as exc:
            _log_failure(push, exc)
            return PushResult.LOST


def _log_failure(push: Push, exc: Exception) -> None:
    if words := waiting_for(exc):
        log.warning(LogEvent("push not stored", kind=push.kind, account=push.appid or None, error=words))
    else:
        log.exception(LogEvent("push could not be handled", kind=push.kind))
