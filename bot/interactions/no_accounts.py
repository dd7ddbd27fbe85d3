"""Answer in Slack while there is no Official Account: no owner has authorised the third-party platform yet."""

from __future__ import annotations

from bot.blocks.answers import replies
from bot.blocks.context import RenderContext
from bot.interactions.readers import Readers
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


class NoAccounts:
    """Answers everything with one sentence: `bot.slack.listeners.Interactions`."""

    def __init__(self, readers: Readers, context: RenderContext) -> None:
        """Keep who reads the answers. `context` is that of a reader whose language is not known."""
        self._readers = readers
        self._context = context

    async def handle_command(self, command: Command, announce: Announce) -> Message | None:
        """Return the answer to a command."""
        return replies.no_accounts(await self._readers.context(command.user_id, self._context))

    async def handle_action(self, click: BlockAction, announce: Announce) -> Message | None:
        """Return the answer to a click, below a message of an account that is gone."""
        return replies.no_accounts(await self._readers.context(click.user_id, self._context))

    async def handle_submission(self, submission: Submission) -> SubmissionAnswer:
        """Return the answer to a modal of an account that is gone."""
        context = await self._readers.context(submission.user_id, self._context)
        return FieldErrors({next(iter(submission.values), ""): replies.out_of_date(context).text})

    async def handle_home_opened(self, opened: HomeOpened) -> None:
        """Leave the Home tab as it is."""

    def restarting(self, user_id: str) -> Message:
        """Return the answer when the process stops before a better one is there."""
        return replies.restarting(self._readers.known(user_id, self._context))

    def failed(self, user_id: str) -> Message:
        """Return the answer when none could be made."""
        return replies.failed(self._readers.known(user_id, self._context))
