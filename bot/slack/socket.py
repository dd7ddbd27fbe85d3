"""Socket Mode: Slack's payloads over a connection that the bot opens, for hosts without a public address."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

log = logging.getLogger(__name__)

FIRST_WAIT = 1.0  # seconds, doubled up to LONGEST_WAIT: Slack away at the start must not be a crash loop
LONGEST_WAIT = 60.0


async def hold(app: AsyncApp, app_token: str, api_url: str) -> None:
    """Keep the connection open until cancelled, however long Slack takes to be there at first."""
    api = AsyncWebClient(base_url=api_url)
    await _slack_is_there(api, app_token)
    handler = AsyncSocketModeHandler(app, app_token, web_client=api, logger=_logger())
    try:
        await handler.connect_async()  # type: ignore[no-untyped-call]  # Bolt leaves it bare
        log.info("Socket Mode: connected")
        await asyncio.Event().wait()
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]


async def _slack_is_there(api: AsyncWebClient, app_token: str) -> None:
    """Wait for Slack to grant a connection. The SDK would ask without a pause and log a traceback each time."""
    wait = FIRST_WAIT
    while True:
        try:
            await api.apps_connections_open(app_token=app_token)
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as exc:
            log.warning("Socket Mode: Slack is not there error=%s again_in=%ss", _word(exc), wait)
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
