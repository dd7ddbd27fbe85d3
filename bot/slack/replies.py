"""Answers to one command or click, by its `response_url`: at most 5 in 30 minutes, and silent when they fail."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot.logs import Line
from bot.ports import Message

log = logging.getLogger(__name__)

SECONDS = 10.0
ATTEMPTS = 2  # of the 5 uses that Slack grants
FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError, AssertionError)  # the last: no host

HOOKS = {"slack.com": "https://hooks.slack.com/", "slack-gov.com": "https://hooks.slack-gov.com/"}


def responses_url(api_url: str) -> str:
    """Return the root of the host that Slack's `response_url`s name."""
    parts = urlsplit(api_url)
    return HOOKS.get(parts.hostname or "", f"{parts.scheme}://{parts.netloc}/")


async def unreachable(session: aiohttp.ClientSession, url: str, within: float) -> str:
    """Return why no server answers at a URL, or a proxy in its place; "" when one does, whatever it answers."""
    try:
        timeout = aiohttp.ClientTimeout(total=within)
        async with session.get(url, timeout=timeout, allow_redirects=False) as response:
            broken = response.status >= 500 or response.status == 407
            return f"HTTP {response.status}" if broken else ""
    except aiohttp.ClientHttpProxyError as exc:
        return f"the proxy answers HTTP {exc.status}"
    except FAILURES as exc:
        return type(exc).__name__


@dataclass(frozen=True, slots=True)
class Reply:
    """Where the answer to one invocation goes. The URL is a secret: whoever has it may write.

    The session is that of the Web API, so that answers go through the same proxy.
    """

    session: aiohttp.ClientSession
    url: str

    async def send(self, message: Message, *, replace: bool = False) -> bool:
        """Answer, visible to the asker alone. False when Slack did not take it, which is logged."""
        body: dict[str, Any] = {"response_type": "ephemeral", "replace_original": replace, "text": message.text}
        if message.blocks:
            body["blocks"] = list(message.blocks)
        for attempt in range(1, ATTEMPTS + 1):
            status = await self._post(body)
            if status == 200:
                return True
            log.warning(Line("answer not taken", attempt=attempt, status=status))
            if status == 400 or status >= 500:
                body.pop("blocks", None)  # they may be what is refused, and the text is complete on its own
            elif status not in (0, 429):
                break  # used up or expired: more of the same does not help
            if attempt < ATTEMPTS and status != 400:
                await asyncio.sleep(1)
        return False

    async def _post(self, body: dict[str, Any]) -> int:
        """The status; 0 when there was none."""
        try:
            timeout = aiohttp.ClientTimeout(total=SECONDS)
            async with self.session.post(self.url, json=body, timeout=timeout, allow_redirects=False) as response:
                return response.status
        except FAILURES:
            return 0
