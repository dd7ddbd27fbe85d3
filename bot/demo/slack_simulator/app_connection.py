"""A workspace and the way to its app: a Request URL, or websockets. What is sent stays out."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import aiohttp

from bot.demo.slack_simulator import sent_messages
from bot.demo.slack_simulator.open_views import Trigger
from bot.demo.slack_simulator.sockets import Retry, Sockets
from bot.demo.slack_simulator.state import Workspace


class AppConnection(Workspace):
    """A workspace that reaches its app: signed, at the `app_url`; without one through the app's websockets."""

    def __init__(self, *, signing_secret: str, app_url: str | None, ack_within: float, **workspace: Any) -> None:
        super().__init__(**workspace)
        self.signing_secret = signing_secret
        self.app_url = app_url
        self.ack_within = ack_within  # seconds
        self.sockets = Sockets(self)
        self.session: aiohttp.ClientSession | None = None  # open while it is served

    async def deliver(
        self,
        kind: str,
        payload: Mapping[str, Any],
        body: str,
        signed: sent_messages.Signature,
        *,
        answerable: bool = False,
        content_type: str = sent_messages.FORM,
        retry: Retry | None = None,
    ) -> sent_messages.Ack:
        """Send to the app and wait for its acknowledgement: `body` over HTTP, else `payload` in an envelope.

        `answerable`: the acknowledgement may bring an answer.
        """
        within = self.ack_within
        if self.app_url is None:
            return await sent_messages.over_socket(
                self.sockets, kind, payload, within=within, answerable=answerable, retry=retry
            )
        if self.session is None:
            raise RuntimeError("the stand-in is not served")
        return await sent_messages.over_http(
            self.session, self.app_url, body, signed, within=within, content_type=content_type, retry=retry
        )

    def new_trigger(self, user: str, view_id: str = "") -> str:
        """Return the trigger_id of a command or click; `view_id` is of the modal's view that it was in."""
        trigger_id = f"{self.next_ts()}.{secrets.token_hex(16)}"
        self.triggers[trigger_id] = Trigger(user, self.trigger_clock(), view_id)
        return trigger_id
