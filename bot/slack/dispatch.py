"""A request handed to Bolt. Its own aiohttp adapter builds cookies, queries and headers that Slack never needs."""

from __future__ import annotations

from collections.abc import Mapping

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest


async def dispatch(app: AsyncApp, text: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """Let Bolt verify a request and run its listener; the status and the body of the acknowledgement."""
    # Bolt takes any mapping of headers; its annotation names dict alone.
    answer = await app.async_dispatch(AsyncBoltRequest(body=text, headers=headers))  # type: ignore[arg-type]
    return answer.status, answer.body
