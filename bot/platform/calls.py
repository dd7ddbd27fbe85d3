"""Calls of WeChat with the platform's own token."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from bot.platform.call_gate import CallGate
from wechat_kf import KfError
from wechat_kf.client import TokenSource
from wechat_kf.platform_tokens import call_platform
from wechat_kf.protocol import Answer, Request


class PlatformCalls:
    """Makes these calls, and records the faults that they show, and the end of such a fault."""

    def __init__(
        self, http: httpx.AsyncClient, component: TokenSource, gate: CallGate, *, proxied: bool = False
    ) -> None:
        self._http = http
        self._component = component
        self._gate = gate
        self._proxied = proxied

    async def call(self, request: Callable[[str], Request]) -> Answer:
        """Make one call.

        Args:
            request: takes the platform's token.

        Raises:
            KfError: WeChat refuses the call, or does not answer.
        """
        await self._gate.enter()
        try:
            answer = await call_platform(self._http, self._component, request, proxied=self._proxied)
        except KfError as error:
            await self._gate.note_error(error)
            raise
        await self._gate.note_success(of_platform=True)
        return answer
