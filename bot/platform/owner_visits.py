"""Answer the owner's browser: the page of the link, and the page to which WeChat redirects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlencode

from bot.platform.authorization import CODE_REFUSED, UNPUBLISHED, retry_wait
from bot.platform.exchange import ForeignAccountError
from bot.platform.links import PURPOSE, LinkRequest, verified
from bot.platform.pages import Ending, ending_page, reader_language, start_page
from bot.platform.services import PlatformServices
from bot.runtime.logs import LogEvent, error_fields, fault_words
from bot.runtime.tasks import BackgroundTasks
from bot.sealing import StoreKeys
from bot.store.authorizer_rows import Authorizer
from bot.store.store_errors import StoreError
from bot.tenant_states import TenantState
from bot.web.platform_endpoint import AUTHORIZED_PATH, OwnerPage
from wechat_kf import KfError, platform

log = logging.getLogger(__name__)

BEGUN = timedelta(hours=2)  # an owner who opened the page in time may take so long over it
CODE_LIFE = timedelta(hours=1)  # of an authorisation code, if WeChat does not name it
PATIENCE = 6.0  # seconds that the owner waits for the exchange
PUSH_FIRST = (0.5, 1.0, 2.0)  # seconds between lookups of the account, if its push was exchanged first
ENDINGS = {
    TenantState.UNGRANTED: Ending.UNGRANTED,
    TenantState.CLOSED: Ending.CLOSED,
    TenantState.PAUSED: Ending.PAUSED,
    TenantState.UNEXCHANGED: Ending.CODE_REFUSED,
}

Notify = Callable[[str, Authorizer], Awaitable[None]]


class OwnerVisits:
    """The answers to both addresses. Except the code of the redirect, they use only what the signature covers."""

    def __init__(
        self, services: PlatformServices, tasks: BackgroundTasks, wake: Callable[[], None], notify: Notify
    ) -> None:
        """Keep what the answers need.

        Args:
            wake: lets the duties of this process take their next step at once.
            notify: informs a person in Slack that the account which they asked for is there.
        """
        self._services = services
        self._settings = services.settings
        self._keys = StoreKeys(services.settings.store_keys).derived(PURPOSE)
        self._tasks = tasks
        self._wake = wake
        self._notify = notify

    async def start(self, query: Mapping[str, str], accept_language: str) -> OwnerPage:
        """Return the page with the links to WeChat. Its code is requested now, since it expires within minutes."""
        language = reader_language(accept_language, self._settings.language)
        s = query.get("s", "")
        if verified(s, self._keys, self._services.clock()) is None:
            return ending_page(language, Ending.LINK_OVER)
        try:
            request = partial(platform.pre_auth_code, self._services.appid)
            issued = platform.parse_pre_auth_code(await self._services.calls.call(request))
        except KfError as error:
            log.warning(LogEvent("owner's page not ready", **error_fields(error)))
            return ending_page(language, _ending_of(error))
        return start_page(
            language,
            appid=self._services.appid,
            pre_auth_code=issued.code,
            redirect_url=f"{self._settings.platform_url}{AUTHORIZED_PATH}?{urlencode({'s': s})}",
            minutes=max(1, issued.expires_in // 60),
            operates=bool(self._settings.kf_operators),
        )

    async def authorized(self, query: Mapping[str, str], accept_language: str) -> OwnerPage:
        """Exchange the code of the redirect, and return a page that names the account."""
        language = reader_language(accept_language, self._settings.language)
        now, code = self._services.clock(), query.get("auth_code", "")
        asked = verified(query.get("s", ""), self._keys, now - BEGUN)
        if asked is None or not code:
            return ending_page(language, Ending.LINK_OVER)
        until = now + _life(query.get("expires_in", ""))
        result: asyncio.Future[tuple[Ending, str]] = asyncio.get_running_loop().create_future()
        self._tasks.start(self._finish(code, until, asked, result))
        await asyncio.wait([result], timeout=PATIENCE)
        return ending_page(language, *result.result()) if result.done() else ending_page(language, Ending.PENDING)

    async def _finish(
        self, code: str, until: datetime, asked: LinkRequest, result: asyncio.Future[tuple[Ending, str]]
    ) -> None:
        """Exchange a code, set the ending of the page, and inform the person who asked for the link."""
        try:
            account = await self._exchanged(code, until)
            if account and account.kind is None:
                account = await self._with_facts(account)
        except ForeignAccountError:
            result.set_result((Ending.ADDED, ""))
            return
        except (KfError, *StoreError) as error:
            result.set_result((_ending_of(error), ""))
            return
        if account is None:
            result.set_result((Ending.CODE_REFUSED, ""))
            return
        result.set_result((ENDINGS.get(account.state, Ending.ADDED), account.name))
        self._wake()
        if asked.user_id and await self._services.exchange.claim_notice(account.appid, asked.user_id):
            await self._notify(asked.user_id, account)

    async def _exchanged(self, code: str, until: datetime) -> Authorizer | None:
        """Exchange a code, with retries until it expires. Return None if it was used, and no known account has it.

        Raises:
            KfError: WeChat has refused it for another reason, or has not answered in time.
            StoreError: the store has not answered in time.
        """
        failures = 0
        while True:
            try:
                return await self._services.exchange.exchange(code, until=until)
            except (KfError, *StoreError) as error:
                log.warning(LogEvent("account not exchanged", **_error_fields(error)))
                errcode = getattr(error, "errcode", None)
                if errcode in CODE_REFUSED:
                    return await self._exchanged_before(code)
                failures += 1
                pause = retry_wait(failures)
                is_over = self._services.clock() + pause >= until
                if errcode == UNPUBLISHED or is_over or await self._is_stopping(pause):
                    raise

    async def _exchanged_before(self, code: str) -> Authorizer | None:
        """Return the account whose push has come first. Its exchange may be under way."""
        for pause in (*PUSH_FIRST, None):
            if account := await self._services.exchange.account_of(code):
                return account
            if pause:
                await asyncio.sleep(pause)
        return None

    async def _with_facts(self, account: Authorizer) -> Authorizer:
        """Return an account with its name. Without an answer the duties read it later."""
        try:
            return await self._services.exchange.read_facts(account)
        except (KfError, *StoreError) as error:
            log.warning(LogEvent("account not known yet", **_error_fields(error)))
            return account

    async def _is_stopping(self, pause: timedelta) -> bool:
        """Wait, and return whether the process stops meanwhile."""
        try:
            await asyncio.wait_for(self._tasks.stopping.wait(), pause.total_seconds())
        except TimeoutError:
            return False
        return True


def _error_fields(error: Exception) -> dict[str, object]:
    return error_fields(error) if isinstance(error, KfError) else {"error": fault_words(error)}


def _ending_of(error: Exception) -> Ending:
    return Ending.UNPUBLISHED if getattr(error, "errcode", None) == UNPUBLISHED else Ending.NOT_READY


def _life(expires_in: str) -> timedelta:
    """Return how long a code is valid, as WeChat's redirect states."""
    is_number = expires_in.isascii() and expires_in.isdigit() and len(expires_in) < 6
    return timedelta(seconds=int(expires_in)) if is_number else CODE_LIFE
