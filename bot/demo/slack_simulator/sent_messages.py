"""Sending to the app as Slack does, over HTTP or a websocket, and timing its acknowledgement."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter, time
from typing import Any

import aiohttp

from bot.demo.slack_simulator import users
from bot.demo.slack_simulator.sockets import Retry, Sockets
from bot.demo.slack_simulator.state import Message, ResponseUrlState

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@dataclass(frozen=True, slots=True)
class Ack:
    """What the app said within the time Slack waits, or that it said nothing."""

    status: int | None  # None: no answer at all; the ack of an envelope counts as 200
    body: str
    ms: float
    failure: str | None = None  # the word the person reads; None: all is well
    no_retry: bool = False  # the app wants no repetition of an event it refuses


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command or a click on its way through the app."""

    payload: Mapping[str, Any]  # as it was sent
    ack: Ack
    _url: ResponseUrlState = field(repr=False)

    async def answer(self, within: float = 5.0) -> Message:
        """Wait for the next message that this response_url, or the ack of a command, brings.

        Raises:
            TimeoutError: none came `within` that many seconds.
        """
        async with asyncio.timeout(within):
            return await self._url.answers.get()

    def answers(self) -> list[Message]:
        """Take those that have come and were not yet waited for."""
        return [self._url.answers.get_nowait() for _ in range(self._url.answers.qsize())]


@dataclass(frozen=True, slots=True)
class ViewInvocation:
    """A click in a view, or its end, on its way through the app: no response_url belongs to it."""

    payload: Mapping[str, Any]  # as it was sent
    ack: Ack


@dataclass(frozen=True, slots=True)
class Submission:
    """A view that a person submitted. Slack sends nothing when it refuses a field itself."""

    payload: Mapping[str, Any] | None
    ack: Ack | None
    errors: Mapping[str, str]  # shown at fields afterwards, by block_id
    failure: str  # shown over the view afterwards, if it is still open


@dataclass(frozen=True, slots=True)
class Signature:
    """Parts of a signature; those that are None are made as Slack makes them."""

    secret: str = field(repr=False)
    timestamp: int | str | None = None
    signature: str | None = None

    def headers(self, body: str) -> dict[str, str]:
        timestamp = int(time()) if self.timestamp is None else self.timestamp
        signature = users.sign(body, self.secret, timestamp) if self.signature is None else self.signature
        return {"X-Slack-Request-Timestamp": str(timestamp), "X-Slack-Signature": signature}


async def over_http(
    session: aiohttp.ClientSession,
    url: str,
    body: str,
    signature: Signature,
    *,
    within: float,
    content_type: str = FORM,
    retry: Retry | None = None,
) -> Ack:
    """POST a form, or the JSON of an event, to the app. Anything but a 200 in time is a failure to the person."""
    headers = {
        "Content-Type": content_type,
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        **signature.headers(body),
    }
    if retry:
        headers |= {"X-Slack-Retry-Num": str(retry[0]), "X-Slack-Retry-Reason": retry[1]}
    started = perf_counter()
    try:
        async with asyncio.timeout(within), session.post(url, data=body.encode(), headers=headers) as answer:
            said = await answer.text()
    except TimeoutError:
        return Ack(None, "", _ms(started), "operation_timeout")
    except aiohttp.ClientError:
        return Ack(None, "", _ms(started), "dispatch_failed")
    failure = None if answer.status == 200 else "http_client_error"
    failure = "dispatch_failed" if answer.status >= 500 else failure
    return Ack(answer.status, said, _ms(started), failure, answer.headers.get("X-Slack-No-Retry") == "1")


async def over_socket(
    sockets: Sockets,
    kind: str,
    payload: Mapping[str, Any],
    *,
    within: float,
    answerable: bool = False,
    retry: Retry | None = None,
) -> Ack:
    """Send an envelope to the app, and take its ack for a 200."""
    started = perf_counter()
    try:
        async with asyncio.timeout(within):
            said = await sockets.send(kind, payload, answerable=answerable, retry=retry)
    except TimeoutError:
        return Ack(None, "", _ms(started), "operation_timeout")
    except ConnectionError:
        return Ack(None, "", _ms(started), "dispatch_failed")
    return Ack(200, json.dumps(said) if said else "", _ms(started))


def _ms(started: float) -> float:
    return (perf_counter() - started) * 1000
