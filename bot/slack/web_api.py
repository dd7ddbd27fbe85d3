"""Make one request to Slack's Web API: return its response, or the reason for none. Callers handle refusals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.ports import OutcomeUnknown, RetryLater
from bot.slack import error_codes
from bot.slack.error_codes import RATE_LIMITED, Reaction
from wechat_kf.protocol import http_date

NOT_REACHED = 10.0  # seconds until the next try when nothing left this machine
BUSY = 60.0  # seconds, if Slack asks to wait and gives no time
LONGEST = 86_400.0  # seconds: a header may contain any number, and the wait becomes a time in the store


@dataclass(frozen=True, slots=True)
class ApiError:
    """Slack's refusal. The meaning of its code depends on the request."""

    code: str
    needed: str = ""  # the scope that is missing


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response of Slack with its headers."""

    data: dict[str, Any]
    headers: Mapping[str, str]  # names are case-insensitive


async def call(
    request: Awaitable[AsyncSlackResponse], within: float, clock: SlackClock | None = None
) -> dict[str, Any] | ApiError | RetryLater | OutcomeUnknown:
    """Await a request of a client that does not retry. Never raise. `clock` records the time of the response."""
    response = await call_with_headers(request, within)
    if isinstance(response, ApiResponse):
        if clock:
            clock.learn(response.headers)
        return response.data
    return response


class SlackClock:
    """Slack's clock, from the `Date` header of its last response, continued by this process's monotonic clock.

    Message timestamps come from it, so a search for a message must not depend on this machine's clock.
    """

    def __init__(self, elapsed: Callable[[], float] = monotonic) -> None:
        self._elapsed = elapsed
        self._reading: tuple[datetime, float] | None = None

    def learn(self, headers: Mapping[str, str]) -> None:
        if served_at := http_date(headers.get("Date") or headers.get("date") or ""):
            self._reading = served_at, self._elapsed()

    def now(self) -> datetime | None:
        """Return the present moment, exact to a second or two; None before the first response."""
        if self._reading is None:
            return None
        served_at, measured = self._reading
        return served_at + timedelta(seconds=self._elapsed() - measured)


async def call_with_headers(
    request: Awaitable[AsyncSlackResponse], within: float
) -> ApiResponse | ApiError | RetryLater | OutcomeUnknown:
    """Make a request as `call` does, and return the headers too."""
    try:
        async with asyncio.timeout(within):
            response = await request
    except SlackApiError as exc:
        return api_error_of(exc)
    except aiohttp.ClientConnectorError as exc:  # refused, or unknown host: nothing was sent
        return RetryLater(NOT_REACHED, type(exc).__name__)
    # The last two: the SDK fails on JSON that is not an object, or is nested too deeply.
    except (aiohttp.ClientError, SlackClientError, OSError, ValueError, AttributeError, RecursionError) as exc:
        return OutcomeUnknown(type(exc).__name__)  # TimeoutError is an OSError
    if not isinstance(response.data, dict):
        return OutcomeUnknown(error_codes.NO_JSON)
    return ApiResponse(response.data, response.headers)


def api_error_of(error: SlackApiError) -> ApiError | RetryLater | OutcomeUnknown:
    """Classify the SDK's exception for a response without `"ok": true`, as far as all methods share its meaning."""
    response = error.response
    # A body of broken JSON comes with aiohttp's response instead of the SDK's.
    status = getattr(response, "status_code", getattr(response, "status", 0))
    data = getattr(response, "data", None)
    error_code = data.get("error") if isinstance(data, dict) else None
    code = error_code if isinstance(error_code, str) else ""
    reaction = error_codes.lookup(code).posting
    if reaction is Reaction.WAIT or (status == 429 and reaction is not Reaction.BLOCK):
        return RetryLater(_retry_after(getattr(response, "headers", {})), code or RATE_LIMITED)
    if not code or status >= 500 or reaction is Reaction.RECONCILE:
        return OutcomeUnknown(code or f"HTTP {status}")
    needed = data.get("needed") if isinstance(data, dict) else None
    return ApiError(code, needed if isinstance(needed, str) else "")


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        seconds = float(headers.get("Retry-After") or headers.get("retry-after") or BUSY)
    except ValueError:
        return BUSY
    return min(max(1.0, seconds), LONGEST)


def no_retry_client(token: str, base_url: str, session: aiohttp.ClientSession) -> AsyncWebClient:
    """Return a client that makes one request per call and logs no bodies. The session has the proxy."""
    logger = logging.getLogger("slack_sdk.alerts")
    logger.setLevel(logging.WARNING)  # at DEBUG it prints whole bodies
    client = AsyncWebClient(token=token, base_url=base_url, session=session, retry_handlers=[], logger=logger)
    client.proxy = None  # the SDK takes one from the environment, which may differ from the session's
    return client
