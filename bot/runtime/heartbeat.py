"""Dead man's switch: call HEARTBEAT_URL while the bot is healthy. Its caller decides when."""

from __future__ import annotations

import asyncio
import logging

import httpx

from bot.runtime.logs import LogEvent
from wechat_kf.transport import suppress_http_logs

log = logging.getLogger(__name__)


class Heartbeat:
    """Calls one URL. The URL is a secret, since anyone who knows it can call it: it is never logged."""

    def __init__(self, http: httpx.AsyncClient, url: str, *, within: float = 5) -> None:
        """`http` is not WeChat's: this traffic is not for its proxy. The caller opens and closes it.

        `within` bounds one call in seconds.
        """
        self._http = http
        self._url = url
        self._within = within
        self._failing = False
        self._beating = False

    async def beat(self) -> None:
        """Call once, unless a call is under way: then that one is the beat.

        Nothing is raised: the first failure is logged, and the first call that works again.
        """
        if self._beating:
            return
        self._beating = True
        try:
            error = await self._call()
        finally:
            self._beating = False
        if error and not self._failing:
            log.warning(LogEvent("heartbeat failed, calls go on", error=error))
        elif self._failing and not error:
            log.info("heartbeat works again")
        self._failing = bool(error)

    async def _call(self) -> str:
        """Call the URL. Return what failed, without the URL; "" if nothing did."""
        try:
            with suppress_http_logs():
                async with (
                    asyncio.timeout(self._within),
                    self._http.stream("GET", self._url, timeout=self._within, follow_redirects=False) as answer,
                ):
                    # The body is not read: it has no meaning, and may be endless.
                    return "" if answer.is_success else f"HTTP {answer.status_code}"
        except Exception as exc:
            # By its class, not by its text, which may quote the URL. And any: the bot is well without a heartbeat.
            return type(exc).__name__
