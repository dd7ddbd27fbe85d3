"""Bolt listeners. Each acknowledges, starts a task and returns: the 200 is sent when it returns.

A submitted modal is the exception: its acknowledgement is the answer.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp

from bot import actions
from bot.ports import (
    Announce,
    BlockAction,
    Command,
    FieldErrors,
    HomeOpened,
    Message,
    Submission,
    SubmissionAnswer,
)
from bot.runtime.logs import LogEvent, request_id
from bot.runtime.tasks import BackgroundTasks
from bot.slack.interaction_payloads import block_action_of, command_of, home_opened_of, submission_of, text_of
from bot.slack.reply_failures import ReplyFailures
from bot.slack.response_url import RESPONSE_LIMITS, ResponseLimits, ResponseUrl
from bot.slack.submissions import Submissions

if TYPE_CHECKING:
    from slack_bolt.app.async_app import AsyncApp
    from slack_bolt.context.ack.async_ack import AsyncAck

log = logging.getLogger(__name__)


class Interactions(Protocol):
    """Handlers of commands, actions, submissions and App Home. They never raise because of a user's input."""

    async def handle_command(self, command: Command, announce: Announce) -> Message | None:
        """Return the answer to a command; None if a modal was opened instead.

        `announce` shows a notice until the answer is sent.
        """
        ...

    async def handle_action(self, click: BlockAction, announce: Announce) -> Message | None:
        """Return the answer to a click; None if the clicked message itself changes, or a view shows the result.

        An answer to a click in a modal or in App Home cannot be sent.
        """
        ...

    async def handle_submission(self, submission: Submission) -> SubmissionAnswer:
        """Return the answer to a submitted modal, within 1.5 seconds; after 2.5 it is cancelled."""
        ...

    async def handle_home_opened(self, opened: HomeOpened) -> None:
        """Publish the board of a person who opened the Home tab."""
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
    """Register `/kf`, every button, every form and App Home. Dependencies are arguments, for tests to replace."""
    submissions = Submissions(answers, tasks)

    @app.command("/kf")
    async def kf(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        command = command_of(body)
        reply = ResponseUrl(session, text_of(body.get("response_url")), tasks.stopping, limits, failures=failures)
        interaction = _Interaction(answers, reply, "/kf", command.user_id)
        make = partial(answers.handle_command, command, reply.announce)
        tasks.start(interaction.answer(command.trigger_id, make))

    # Every action: a button of an older release, or a forged click, gets an answer too.
    @app.action(re.compile(r""))
    async def act(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        click = block_action_of(body, action)
        if not actions.opens_link(click.action_id):
            url = text_of(body.get("response_url"))
            # Everyone sees a channel message, so the answer to a click there is a new message.
            replaces = click.origin.is_ephemeral and actions.replaces_message(click.action_id)
            reply = ResponseUrl(
                session, url, tasks.stopping, limits, clicked=True, replaces=replaces, failures=failures
            )
            interaction = _Interaction(answers, reply, click.action_id, click.user_id)
            make = partial(answers.handle_action, click, reply.announce)
            tasks.start(interaction.answer(click.trigger_id, make))

    @app.view(re.compile(r""))
    async def submit(ack: AsyncAck, body: dict[str, Any]) -> None:
        match await submissions.answer(submission_of(body), text_of(body.get("trigger_id"))):
            case FieldErrors(errors):
                await ack(response_action="errors", errors=dict(errors))
            case shown:
                await ack(response_action="update", view=shown.view)

    @app.view({"type": "view_closed", "callback_id": re.compile(r"")})
    async def close(ack: AsyncAck) -> None:
        await ack()

    # Every event: Slack repeats one that is not acknowledged, and in the end switches all events off.
    @app.event(re.compile(r""))
    async def event(body: dict[str, Any], event: dict[str, Any]) -> None:
        opened = home_opened_of(body) if event.get("type") == "app_home_opened" else None
        if opened:
            tasks.start(_open_home(answers, opened, text_of(body.get("event_id"))))


async def _open_home(answers: Interactions, opened: HomeOpened, event_id: str) -> None:
    with request_id(event_id):
        began = time.perf_counter()
        await answers.handle_home_opened(opened)
        ms = round((time.perf_counter() - began) * 1000)
        log.info(LogEvent("answered", asked="App Home", user=opened.user_id[:40], ms=ms))


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
