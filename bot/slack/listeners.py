"""Bolt listeners. Each acknowledges, starts a task and returns: the 200 is sent when it returns."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import aiohttp
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from bot import actions
from bot.ports import Announce, BlockAction, Message, Origin
from bot.runtime.logs import LogEvent, request_id
from bot.runtime.tasks import BackgroundTasks
from bot.slack.reply_failures import ReplyFailures
from bot.slack.response_url import RESPONSE_LIMITS, ResponseLimits, ResponseUrl

log = logging.getLogger(__name__)


class Interactions(Protocol):
    """Handlers of commands and actions. They never raise because of a user's input."""

    async def handle_command(self, text: str, user_id: str, announce: Announce) -> Message:
        """Return the answer to a command. `announce` shows a notice until the answer is sent."""
        ...

    async def handle_action(self, click: BlockAction, announce: Announce) -> Message | None:
        """Return the answer to a click; None if the clicked message itself changes."""
        ...

    def restarting(self, user_id: str) -> Message:
        """Return the answer when the process stops before a better one is there."""
        ...

    def failed(self, user_id: str) -> Message:
        """Return the answer when none could be made."""
        ...


def register(
    app: AsyncApp,
    answers: Interactions,
    tasks: BackgroundTasks,
    session: aiohttp.ClientSession,
    limits: ResponseLimits = RESPONSE_LIMITS,
    failures: ReplyFailures | None = None,
) -> None:
    """Register `/kf` and every button. Dependencies are arguments, so that a test can pass its own."""

    @app.command("/kf")
    async def kf(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        text, user_id = _text(body.get("text")), _text(body.get("user_id"))
        reply = ResponseUrl(session, _text(body.get("response_url")), tasks.stopping, limits, failures=failures)
        interaction = _Interaction(answers, reply, "/kf", user_id)
        make = partial(answers.handle_command, text, user_id, reply.announce)
        tasks.start(interaction.answer(_text(body.get("trigger_id")), make))

    # Every action: a button of an older release, or a forged click, gets an answer too.
    @app.action(re.compile(r""))
    async def click(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        clicked = _BlockAction.read(body, action)
        if not actions.opens_link(clicked.click.action_id):
            what, user_id = clicked.click.action_id, clicked.click.user_id
            url, replaces = clicked.response_url, clicked.replaces
            reply = ResponseUrl(
                session, url, tasks.stopping, limits, clicked=True, replaces=replaces, failures=failures
            )
            interaction = _Interaction(answers, reply, what, user_id)
            make = partial(answers.handle_action, clicked.click, reply.announce)
            tasks.start(interaction.answer(_text(body.get("trigger_id")), make))


@dataclass(frozen=True, slots=True)
class _BlockAction:
    click: BlockAction
    response_url: str
    replaces: bool

    @classmethod
    def read(cls, body: Mapping[str, Any], action: Mapping[str, Any]) -> _BlockAction:
        option = _object(action.get("selected_option"))
        user = _object(body.get("user"))
        container = _object(body.get("container"))
        enterprise = _object(body.get("enterprise")).get("id") or _object(body.get("team")).get("enterprise_id")
        action_id = _text(action.get("action_id"))
        origin = Origin(
            team_id=_text(user.get("team_id")),
            user_enterprise_id=_text(user.get("enterprise_id")),
            enterprise_id=_text(enterprise),
            channel_id=_text(_object(body.get("channel")).get("id")),
            is_ephemeral=container.get("is_ephemeral") is True,
        )
        return cls(
            click=BlockAction(
                action_id=action_id,
                value=_text((option or action).get("value")),
                user_id=_text(user.get("id")),
                user_name=_text(user.get("name")) or _text(user.get("username")),
                origin=origin,
            ),
            response_url=_text(body.get("response_url")),
            # Everyone sees a channel message, so the answer to a click there is a new message.
            replaces=origin.is_ephemeral and actions.replaces_message(action_id),
        )


@dataclass(frozen=True, slots=True)
class _Interaction:
    """One command or click: its user, its request, and the destination of the answer."""

    answers: Interactions
    reply: ResponseUrl
    what: str  # `/kf`, or the clicked action
    user_id: str

    async def answer(self, trigger_id: str, make: Callable[[], Awaitable[Message | None]]) -> None:
        """Make the answer and send it, if there is one. All log lines about it share a request ID.

        If the process stops before that, ask the user to repeat the request.
        """
        with request_id(trigger_id):
            began = time.perf_counter()
            try:
                message, taken = await self._make_answer(make), None
                if message:
                    taken = await self.reply.send(message, restarting=self.answers.restarting(self.user_id))
            except asyncio.CancelledError:
                await self.reply.send_once(self.answers.restarting(self.user_id))
                raise
            ms = round((time.perf_counter() - began) * 1000)
            log.info(LogEvent("answered", asked=self.what[:80], user=self.user_id[:40], taken=taken, ms=ms))

    async def _make_answer(self, make: Callable[[], Awaitable[Message | None]]) -> Message | None:
        """Return the answer, or one that reports the failure to make it."""
        try:
            return await make()
        except Exception:
            log.exception("no answer could be made")
            return self.answers.failed(self.user_id)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
