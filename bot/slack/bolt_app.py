"""Create the Bolt app, and dispatch requests to it.

Bolt's own aiohttp adapter builds cookies, queries and headers that requests from Slack never need.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.web.async_client import AsyncWebClient

BoltApp = AsyncApp


async def dispatch(app: AsyncApp, text: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """Run the listener of a request in Bolt. Return the status and the body of the acknowledgement."""
    # Bolt takes any mapping of headers; its annotation names only dict.
    response = await app.async_dispatch(AsyncBoltRequest(body=text, headers=headers))  # type: ignore[arg-type]
    return response.status, response.body


def make_app(token: str, api_url: str) -> AsyncApp:
    """Return a Bolt app that makes no request on its own: `/kf` must answer while Slack's API is down.

    Given a token, Bolt would call `auth.test` inside the first acknowledgement. It verifies no signature:
    over HTTP `bot.web.guard` has done that, and Socket Mode has no signatures.
    """

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=token)

    # At INFO Bolt logs the whole body of each request with a wrong signature, with response_url and trigger ID. Its
    # many loggers copy their level from this one, or else from the root logger, whatever was set on them before.
    logger = logging.getLogger("slack_bolt")
    logger.setLevel(logging.WARNING)
    return AsyncApp(
        name="wechat-kf",  # else Bolt reads the source of every module on the stack for one, a tenth of a second
        logger=logger,
        client=AsyncWebClient(base_url=api_url),
        authorize=authorize,
        process_before_response=True,
        request_verification_enabled=False,
        # For events of the bot's own messages, tokens of workflow steps and conversations: it gets none of them.
        ignoring_self_events_enabled=False,
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )
