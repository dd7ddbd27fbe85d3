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

FIRST_WAIT = 1.0  # seconds, doubled up to LONGEST_WAIT: an outage of Slack at the start must not cause a crash loop
LONGEST_WAIT = 60.0
TRIES = 3  # connections in a row that Slack grants and that stay silent: a new process may have more success
CLOSE_SECONDS = 0.8  # the shutdown allows about one second


class DeadSocketError(Exception):
    """Slack grants connections, but sends nothing through them."""


@dataclass(frozen=True, slots=True)
class SocketTimeouts:
    """Time limits for a sign of life, in seconds."""

    ping: float = 10.0
    # The SDK replaces a silent connection after four pings. This limit is for a stuck SDK: it has been seen to
    # retry endlessly with a closed session, and to report that as connected.
    silent: float = 90.0


async def run_socket_mode(
    app: AsyncApp,
    app_token: str,
    api_url: str,
    timeouts: SocketTimeouts = SocketTimeouts(),
    *,
    proxy_url: str = "",
    connected: Callable[[bool], None] = lambda _: None,
) -> None:
    """Keep a connection open until cancelled, however long Slack takes to grant it.

    Args:
        proxy_url: proxy of both the request for a connection and the connection; "" for none.
        connected: called with True when a connection opens, and with False when it ends.

    Raises:
        DeadSocketError: several in a row were granted and stayed silent. The host should restart the process.
    """
    api = AsyncWebClient(base_url=api_url)
    api.proxy = proxy_url or None  # the SDK takes one from the environment
    dead = 0
    while dead < TRIES:
        await _wait_for_slack(api, app_token)
        signs = await _until_silent(app, app_token, api, timeouts, connected)
        dead = 0 if signs else dead + 1
        log.warning(LogEvent("socket reconnecting (no traffic)", seconds=timeouts.silent, heard_before=bool(signs)))
    raise DeadSocketError(f"{TRIES} connections in a row stayed silent")


async def _until_silent(
    app: AsyncApp, app_token: str, api: AsyncWebClient, timeouts: SocketTimeouts, connected: Callable[[bool], None]
) -> int:
    """Keep one connection open until it falls silent. Return the number of signs of life."""
    handler = AsyncSocketModeHandler(app, app_token, web_client=api, logger=_logger(), ping_interval=timeouts.ping)
    handler.client.proxy = api.proxy
    liveness = _Liveness(handler.client)
    try:
        # The SDK retries without end if Slack's websocket cannot be reached.
        async with asyncio.timeout(timeouts.silent):
            await handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt leaves it bare
        log.info("Socket Mode: connected")
        connected(True)
        while await liveness.is_alive_within(timeouts.silent, check_every=timeouts.ping / 4):
            pass
    except TimeoutError:
        pass
    finally:
        connected(False)
        await _close(handler)
    return liveness.signs


async def _close(handler: AsyncSocketModeHandler) -> None:
    """Close a connection and everything that the SDK started for it, whether or not Slack responds."""
    client = handler.client
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await handler.close_async()  # type: ignore[no-untyped-call]
    finally:
        # The SDK first waits for Slack's close frame. If none comes, its tasks would keep running, and Slack
        # would send commands to a connection that is no longer read.
        for task in (client.message_processor, client.current_session_monitor, client.message_receiver):
            if task:
                task.cancel()
        await client.aiohttp_client_session.close()


class _Liveness:
    """Counter of signs of life: messages from Slack, and its answers to pings."""

    def __init__(self, client: SocketModeClient) -> None:
        self.signs = 0
        self._client = client
        self._answered = client.last_ping_pong_time
        client.on_message_listeners.append(self._count_message)

    async def is_alive_within(self, seconds: float, check_every: float) -> bool:
        """Wait for the next sign of life. Return False if none arrives in time."""
        before = self.signs
        try:
            async with asyncio.timeout(seconds):
                while self.signs == before:
                    await asyncio.sleep(check_every)
                    self._check_ping()
        except TimeoutError:
            return False
        return True

    async def _count_message(self, _: aiohttp.WSMessage) -> None:
        self.signs += 1

    def _check_ping(self) -> None:
        """Count an answered ping, which advances the SDK's time. Skip its first value, which no answer set."""
        answered, self._answered = self._answered, self._client.last_ping_pong_time
        if answered and self._answered and self._answered != answered:
            self.signs += 1


async def _wait_for_slack(api: AsyncWebClient, app_token: str) -> None:
    """Wait until Slack grants a connection. The SDK would retry without a pause and log a traceback each time."""
    wait = FIRST_WAIT
    while True:
        try:
            await api.apps_connections_open(app_token=app_token)
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as exc:
            log.warning(LogEvent("socket: Slack unreachable", error=_error_code(exc), again_in=wait))
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
        else:
            return


def _logger() -> logging.Logger:
    """Return the SDK's logger, without payloads (DEBUG) and without a traceback for each lost connection."""
    logger = logging.getLogger("slack_sdk.socket_mode")
    logger.setLevel(logging.WARNING)
    logger.addFilter(_without_traceback)
    return logger


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True


def _error_code(exc: Exception) -> str:
    """Return Slack's error code, or the class name. The text of the exception quotes whole responses."""
    response = getattr(exc, "response", None)
    data = getattr(response, "data", None)
    return str(data.get("error")) if isinstance(data, dict) else type(exc).__name__
