"""The Events API: people who open App Home, and the challenge of a Request URL. Interactions stay out.

https://docs.slack.dev/apis/events-api
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from bot.demo.slack_simulator import view_payloads
from bot.demo.slack_simulator.app_connection import AppConnection
from bot.demo.slack_simulator.sent_messages import JSON, Ack, Signature
from bot.demo.slack_simulator.sockets import EVENTS, Retry
from bot.demo.slack_simulator.users import VERIFICATION_TOKEN

RETRIES = (0.0, 60.0, 300.0)  # seconds before each repetition


class Events(AppConnection):
    """A workspace that sends the app events. A test may shorten `event_retries`."""

    def __init__(self, **connection: Any) -> None:
        super().__init__(**connection)
        self.event_retries: Sequence[float] = RETRIES

    async def open_home(self, *, user: str = "U0MEI", tab: str = "home") -> list[Ack]:
        """Let a person open the app's page, and return what the app answered to the event and its repetitions.

        Raises:
            LookupError: the app has no Home tab.
        """
        if tab == "home" and not self.home_enabled:
            raise LookupError("the Home tab is switched off")
        self.name_of(user)
        return await self._send(view_payloads.home_opened(self, user, tab))

    async def verify_url(self) -> bool:
        """Return whether the Request URL repeats a challenge, as it must when it is saved in the app's settings."""
        if self.app_url is None:
            raise RuntimeError("Socket Mode has no Request URL")
        challenge = secrets.token_hex(24)
        ack = await self._send_once(
            {"token": VERIFICATION_TOKEN, "challenge": challenge, "type": "url_verification"}
        )
        try:
            repeated = json.loads(ack.body)["challenge"]
        except (ValueError, KeyError, TypeError):
            repeated = ack.body.removeprefix("challenge=")
        return ack.status == 200 and repeated == challenge

    async def _send(self, payload: Mapping[str, Any]) -> list[Ack]:
        """Send an event until the app takes it, and at most as often as Slack does."""
        acks = [await self._send_once(payload)]
        for number, pause in enumerate(self.event_retries, start=1):
            if _is_taken(acks[-1]) or acks[-1].no_retry:
                break
            await asyncio.sleep(pause)
            acks.append(await self._send_once(payload, (number, _reason(acks[-1]))))
        return acks

    async def _send_once(self, payload: Mapping[str, Any], retry: Retry | None = None) -> Ack:
        signed = Signature(self.signing_secret)
        return await self.deliver(EVENTS, payload, json.dumps(payload), signed, content_type=JSON, retry=retry)


def _is_taken(ack: Ack) -> bool:
    return ack.status is not None and 200 <= ack.status < 300


def _reason(ack: Ack) -> str:
    if ack.status is not None:
        return "http_error"
    return "http_timeout" if ack.failure == "operation_timeout" else "connection_failed"
