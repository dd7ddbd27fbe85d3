"""Socket Mode: Slack's payloads over a connection that the bot opens, for hosts without a public address."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.web.async_client import AsyncWebClient

from bot.runtime.logs import LogEvent

log = logging.getLogger(__name__)

FIRST_WAIT = 1.0  # seconds, doubled up to LONGEST_WAIT: Slack away at the start must not be a crash loop
LONGEST_WAIT = 60.0
TRIES = 3  # connections in a row that Slack grants and that never live: a new process may do better
CLOSE_SECONDS = 0.8  # at shutdown a second is left for it


class DeadSocketError(Exception):
    """Slack grants connections, and nothing ever comes through them."""


@dataclass(frozen=True, slots=True)
class SocketTimeouts:
    """How long to wait for a sign of life, in seconds."""

    ping: float = 10.0
    # The SDK opens a silent connection anew by itself after four pings. This is for when it is stuck: it has been
    # seen to try for ever with a session that was closed, and to call that connected.
    silent: float = 90.0


async def run_socket_mode(
    app: AsyncApp,
    app_token: str,
    api_url: str,
    patience: SocketTimeouts = SocketTimeouts(),
    *,
    proxy_url: str = "",
    connected: Callable[[bool], None] = lambda _: None,
) -> None:
    """Keep a connection open until cancelled, however long Slack takes to grant one.

    Args:
        proxy_url: carries both the request for a connection and the connection; "" for none.
        connected: called with True once a connection is open, and with False when it is not any more.

    Raises:
        DeadSocketError: several in a row were granted and stayed silent. The host should start the process anew.
    """
    api = AsyncWebClient(base_url=api_url)
    api.proxy = proxy_url or None  # the SDK takes one from the environment
    dead = 0
    while dead < TRIES:
        await _is_slack_reachable(api, app_token)
        heard = await _until_silent(app, app_token, api, patience, connected)
        dead = 0 if heard else dead + 1
        log.warning(LogEvent("socket reconnecting (no traffic)", seconds=patience.silent, heard_before=bool(heard)))
    raise DeadSocketError(f"{TRIES} connections in a row stayed silent")


async def _until_silent(
    app: AsyncApp, app_token: str, api: AsyncWebClient, patience: SocketTimeouts, connected: Callable[[bool], None]
) -> int:
    """Hold one connection until nothing comes through it any more. The number of signs of life."""
    handler = AsyncSocketModeHandler(app, app_token, web_client=api, logger=_logger(), ping_interval=patience.ping)
    handler.client.proxy = api.proxy
    life = _Liveness(handler.client)
    try:
        # It goes on trying by itself, without an end, when Slack's websocket cannot be reached.
        async with asyncio.timeout(patience.silent):
            await handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt leaves it bare
        log.info("Socket Mode: connected")
        connected(True)
        while await life.heard_within(patience.silent, look_every=patience.ping / 4):
            pass
    except TimeoutError:
        pass
    finally:
        connected(False)
        await _close(handler)
    return life.signs


async def _close(handler: AsyncSocketModeHandler) -> None:
    """End a connection and all that the SDK started for it, whether or not Slack takes part."""
    client = handler.client
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await handler.close_async()  # type: ignore[no-untyped-call]
    finally:
        # The SDK waits for the other side's farewell first. Without it all else would stay, and a connection that
        # is still open at Slack's end is sent commands that nobody hears.
        for task in (client.message_processor, client.current_session_monitor, client.message_receiver):
            if task:
                task.cancel()
        await client.aiohttp_client_session.close()


class _Liveness:
    """Counts what came from Slack: messages, and answers to pings."""

    def __init__(self, client: SocketModeClient) -> None:
        self.signs = 0
        self._client = client
        self._answered = client.last_ping_pong_time
        client.on_message_listeners.append(self._hear)

    async def heard_within(self, seconds: float, look_every: float) -> bool:
        """Wait for the next sign of life. False when there is none for so long."""
        before = self.signs
        try:
            async with asyncio.timeout(seconds):
                while self.signs == before:
                    await asyncio.sleep(look_every)
                    self._look()
        except TimeoutError:
            return False
        return True

    async def _hear(self, _: aiohttp.WSMessage) -> None:
        self.signs += 1

    def _look(self) -> None:
        """An answered ping moves this time on. The SDK sets it at first by itself, which is no answer."""
        answered, self._answered = self._answered, self._client.last_ping_pong_time
        if answered and self._answered and self._answered != answered:
            self.signs += 1


async def _is_slack_reachable(api: AsyncWebClient, app_token: str) -> None:
    """Wait for Slack to grant a connection. The SDK would ask without a pause and log a traceback each time."""
    wait = FIRST_WAIT
    while True:
        try:
            await api.apps_connections_open(app_token=app_token)
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as exc:
            log.warning(LogEvent("socket: Slack unreachable", error=_word(exc), again_in=wait))
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
        else:
            return


def _logger() -> logging.Logger:
    """The SDK's log without whole payloads (DEBUG), and without a traceback for each lost connection."""
    logger = logging.getLogger("slack_sdk.socket_mode")
    logger.setLevel(logging.WARNING)
    logger.addFilter(_without_traceback)
    return logger


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True


def _word(exc: Exception) -> str:
    """The error's own word: the text of the exception quotes whole answers."""
    response = getattr(exc, "response", None)
    data = getattr(response, "data", None)
    return str(data.get("error")) if isinstance(data, dict) else type(exc).__name__
