"""Send answers to one command or click through its `response_url`, which Slack accepts 5 times in 30 minutes."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot.ports import Message
from bot.runtime.logs import LogEvent
from bot.slack.reply_failures import ReplyFailures

log = logging.getLogger(__name__)

USES = 5  # that Slack grants each response_url
FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError, AssertionError)  # the last: no host

HOOKS = {"slack.com": "https://hooks.slack.com/", "slack-gov.com": "https://hooks.slack-gov.com/"}


def responses_url(api_url: str) -> str:
    """Return the base URL of the host of Slack's `response_url`s."""
    parts = urlsplit(api_url)
    return HOOKS.get(parts.hostname or "", f"{parts.scheme}://{parts.netloc}/")


async def unreachable(session: aiohttp.ClientSession, url: str, within: float) -> str:
    """Return the error if neither a server nor a proxy responds at a URL; "" for any response."""
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
class ResponseLimits:
    """Time limits of an answer, in seconds."""

    notice_after: float = 2.0  # a WeChat read that takes longer is announced
    notice: float = 3.0  # posting that notice: the answer waits for it
    request: float = 10.0
    first_pause: float = 1.0
    longest_pause: float = 60.0
    give_up_after: float = 300.0  # from the first refusal


RESPONSE_LIMITS = ResponseLimits()


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int  # 0: no response
    retry_after: float | None = None
    passes: bool = False  # a later attempt may succeed


class ResponseUrl:
    """The destination of the answer to one command or click. The URL is a secret: any holder can post to it.

    It shares the Web API's session, so that answers go through the same proxy. A click in a modal or in App Home
    has no URL, so nothing can be sent.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        stopping: asyncio.Event,
        limits: ResponseLimits,
        *,
        clicked: bool = False,
        replaces: bool = False,
        failures: ReplyFailures | None = None,
    ) -> None:
        """Create the sender of one answer.

        Args:
            failures: gets the answer if it is given up.
            clicked: the URL belongs to a click, whose original is the clicked message: only an answer that
                `replaces` it may change it. The original of a command is the last message sent through its URL.
            stopping: is set when the process shuts down; it ends a pause between two attempts.
        """
        self._session = session
        self._url = url
        self._stopping = stopping
        self._limits = limits
        self._clicked = clicked
        self._replaces = replaces
        self._failures = failures or ReplyFailures()
        self._announced = False
        self._noticed = False  # the notice is shown
        self._uses = 0
        self._refusals = 0
        self._status = 0  # of the last refusal
        self._pause = 0.0  # before the next attempt
        self._give_up_at = float("inf")

    async def announce(self, notice: Message) -> None:
        """Show a notice, at the first call, until the answer is sent. Do not retry it if Slack refuses it."""
        if not self._url or self._announced or self._stopping.is_set():
            return
        self._announced = True
        body = _body(notice, replace=self._replaces)
        refusal = await self._post(body, self._limits.notice)
        self._noticed = refusal is None
        if refusal:
            self._note(refusal)

    async def send(self, message: Message, *, restarting: Message) -> bool:
        """Send the answer, visible only to the user. Return False, and log it, if Slack did not accept it.

        Retry after temporary refusals. At shutdown, instead try once to send `restarting`.
        """
        if not self._url:
            log.info("answer not sent, the click has no response_url")
            return False
        body = _body(message, replace=self._replaces or self._replaces_notice)
        now = asyncio.get_running_loop().time
        # While a use is left, and the pause before it ends in time.
        while self._uses < USES and now() + self._pause <= self._give_up_at:
            if await self._stopped_during_pause():
                await self.send_once(restarting)
                return False
            refusal = await self._post(body, self._limits.request)
            if refusal is None:
                self._failures.accept()
                return True
            self._note(refusal)
            # Slack may refuse only the blocks, and the text is complete without them.
            without_blocks = refusal.status in (400, 500) and body.pop("blocks", None)
            if not refusal.passes and not without_blocks:
                break
        self._give_up()
        return False

    async def send_once(self, message: Message) -> None:
        """Send a last message, without retries."""
        if not self._url or self._uses >= USES:
            return
        if self._session.closed:  # the task outlived the shutdown
            self._give_up()
            return
        refusal = await self._post(_body(message, replace=self._replaces_notice), self._limits.request)
        if refusal:
            self._note(refusal)
            self._give_up()

    def _give_up(self) -> None:
        log.warning(LogEvent("reply not accepted", uses=self._uses, status=self._status))
        self._failures.note(self._status)

    @property
    def _replaces_notice(self) -> bool:
        return self._noticed and (self._replaces or not self._clicked)

    async def _stopped_during_pause(self) -> bool:
        """Wait before the next attempt. Return whether the process began to shut down meanwhile."""
        if not self._pause:
            return False
        try:
            await asyncio.wait_for(self._stopping.wait(), self._pause)
        except TimeoutError:
            return False
        return True

    def _note(self, refusal: _Refusal) -> None:
        """Record a refusal: the use that it cost, and the time of the next attempt."""
        limits = self._limits
        if not self._refusals:
            self._give_up_at = asyncio.get_running_loop().time() + limits.give_up_after
        backoff = min(limits.first_pause * 4**self._refusals, limits.longest_pause)
        self._refusals += 1
        self._status = refusal.status
        self._pause = (refusal.retry_after or backoff) if refusal.passes else 0.0
        log.info(LogEvent("answer delayed", status=refusal.status, uses=self._uses, pause=self._pause))

    async def _post(self, body: dict[str, Any], within: float) -> _Refusal | None:
        """Make one request. Count it as a use, unless the connection could not be opened."""
        self._uses += 1
        try:
            timeout = aiohttp.ClientTimeout(total=within)
            async with self._session.post(self._url, json=body, timeout=timeout, allow_redirects=False) as response:
                if response.status == 200:
                    return None
                passes = response.status == 429 or response.status >= 500
                return _Refusal(response.status, _seconds(response.headers.get("Retry-After", "")), passes)
        except aiohttp.ClientConnectorError:
            self._uses -= 1
            return _Refusal(0, passes=True)
        except FAILURES as exc:
            return _Refusal(0, passes=not isinstance(exc, ValueError | AssertionError))  # those: not a usable URL


def _body(message: Message, *, replace: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"response_type": "ephemeral", "replace_original": replace, "text": message.text}
    return body | {"blocks": list(message.blocks)} if message.blocks else body


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
