"""Create the Bolt app, and hand requests to it. Bolt's own aiohttp adapter builds cookies, queries and headers that Slack never needs."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.web.async_client import AsyncWebClient

BoltApp = AsyncApp


async def dispatch(app: AsyncApp, text: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """Let Bolt run the listener of a request. Return the status and the body of the acknowledgement."""
    # Bolt takes any mapping of headers; its annotation names dict alone.
    answer = await app.async_dispatch(AsyncBoltRequest(body=text, headers=headers))  # type: ignore[arg-type]
    return answer.status, answer.body


def make_app(token: str, api_url: str) -> AsyncApp:
    """Return a Bolt app that does not call Slack by itself: `/kf` must answer while Slack's API is down.

    With a token of its own Bolt would call `auth.test` inside the first acknowledgement. It verifies no signature:
    over HTTP `bot.web.guard` has done that, and over Socket Mode there is none.
    """

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=token)

    # At INFO Bolt logs the whole body of each request with a wrong signature, response_url, trigger ID and all. Its
    # many loggers take their level from this one, or else from the root, whatever was set on them before.
    logger = logging.getLogger("slack_bolt")
    logger.setLevel(logging.WARNING)
    return AsyncApp(
        logger=logger,
        client=AsyncWebClient(base_url=api_url),
        authorize=authorize,
        process_before_response=True,
        request_verification_enabled=False,
        # For events of the bot's own messages, and for tokens of workflow steps: it receives neither.
        ignoring_self_events_enabled=False,
        attaching_function_token_enabled=False,
    )
