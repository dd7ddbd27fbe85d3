"""Answer `/kf` and its buttons: choose the answer to a request. `blocks` renders it; no Slack calls here.

`bot.requests` reads the text of a command, and says how to add one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot import actions, requests
from bot.accounts import AccountRow, Snapshot, find_accounts, pick_account
from bot.alerting.episode import Episode
from bot.blocks.answers import replies
from bot.blocks.answers.account_details import account_details, last_known_details
from bot.blocks.answers.guide import guide
from bot.blocks.answers.history_answer import history
from bot.blocks.answers.lists import account_list, no_match, search_results
from bot.blocks.answers.overview import overview
from bot.blocks.answers.read_failure import read_failure
from bot.blocks.answers.status_answer import status_answer
from bot.blocks.answers.timeline import timeline
from bot.blocks.context import RenderContext
from bot.blocks.problems import Explanation, explain_error
from bot.interactions.account_reader import AccountReader
from bot.interactions.rerun import suggestion_of
from bot.operations.account_history import AccountHistoryPage
from bot.operations.fields import shared_suffix
from bot.operations.operation import Operation
from bot.ports import Announce, Clock, Message, unannounced
from bot.requests import Answered, Find, Help, History, List, Overview, Show, Unknown
from bot.runtime.logs import LogEvent, error_fields, fault_words
from bot.status import Status
from bot.text import fold, masked
from wechat_kf import KfAccount, KfError, OnlineKf

log = logging.getLogger(__name__)

RECENT = timedelta(minutes=10)  # a read that is not older may be shown until the next one is there

Read = Overview | List | Find | Show | History | Unknown
ReaderContext = Callable[
    [], Awaitable[RenderContext]
]  # returns the context of the person who asks, once it is known


async def _unknown() -> None:
    """Return the online users of an earlier read: they are not known."""


async def no_history(keys: Sequence[str], number: int) -> AccountHistoryPage:
    """Return the history of a bot without a store."""
    return AccountHistoryPage(account_key=keys[0] if keys else "")


async def no_operations(account_key: str) -> Sequence[Operation]:
    """Return the operations of a bot without a store."""
    return ()


class CommandHandler:
    """Answers requests, but for `Operate`, which a form answers."""

    def __init__(
        self,
        accounts: AccountReader,
        *,
        now: Clock,
        context: RenderContext,
        channel: str,
        status: Callable[[], Awaitable[Status]],
        newest_episode: Callable[[KfAccount], Awaitable[Episode | None]],
        history: Callable[[Sequence[str], int], Awaitable[AccountHistoryPage | None]] = no_history,
        operations: Callable[[str], Awaitable[Sequence[Operation]]] = no_operations,
        notice_after: float,
    ) -> None:
        """Keep what answers are made from.

        Args:
            channel: the ID of the alert channel, or "".
            newest_episode: returns the episode of the invitation that an account has now, if it is known.
            history: returns a page of the history of an account, by the keys that it may have, or of all accounts;
                None if the store does not answer.
            operations: returns the operations on an account, by its key, and does not raise.
            notice_after: seconds after which a read of WeChat is announced to the user.
        """
        self._accounts = accounts
        self._now = now
        self._base_context = context
        self._channel = channel
        self._status = status
        self._newest_episode = newest_episode
        self._history_page = history
        self._operations = operations
        self._notice_after = notice_after

    async def answer(
        self,
        request: Answered | Unknown,
        announce: Announce = unannounced,
        reader: ReaderContext | None = None,
    ) -> Message:
        """Answer a request. An error of WeChat is answered as well, and not raised.

        If an account cannot be rendered, the answer is rendered again with a placeholder for it.

        Args:
            reader: is awaited after the read of WeChat; None: the answer is in the language of the channel.
        """
        return await self._accounts.contained(lambda: self._answer(request, announce, reader or self._in_channel))

    async def about(
        self, episode: Episode, announce: Announce = unannounced, reader: ReaderContext | None = None
    ) -> Message:
        """Show the details of an alert's account: as WeChat reports it, else as the bot last knew it."""
        reader = reader or self._in_channel
        operations = await self._operations(episode.account_key)

        def last_known(explanation: Explanation | None, context: RenderContext) -> Message:
            return last_known_details(episode, self._channel, explanation, context, operations)

        try:
            handle = actions.handle(episode.account_key)
            return await self._accounts.contained(
                lambda: self._announced(
                    self._show(handle, reader, lambda _, context: last_known(None, context)), announce, reader
                )
            )
        except KfError as error:
            log.warning(LogEvent("WeChat could not be read", **error_fields(error)))
            context = await reader()
            return last_known(explain_error(error, context), context)

    async def recent(self, handle: str, reader: ReaderContext) -> Message | None:
        """Return the details of an account from the last read of WeChat; None if that is old or lacks it."""
        snapshot = await self._accounts.last_with_owners()
        if snapshot is None or self._now() - snapshot.at > RECENT:
            return None
        row = pick_account(snapshot.rows, handle)
        return await self._details(snapshot, row, _unknown(), reader) if row else None

    async def _in_channel(self) -> RenderContext:
        return replace(self._base_context, around=self._now())

    async def _announced(
        self, read: Coroutine[Any, Any, Message], announce: Announce, reader: ReaderContext
    ) -> Message:
        """Return an answer that reads WeChat, and announce it if that takes long."""
        answering = asyncio.create_task(read)
        try:
            done, _ = await asyncio.wait([answering], timeout=self._notice_after)
            if not done:
                await announce(replies.reading(await reader()))
            return await answering
        finally:
            answering.cancel()

    async def _answer(self, request: Answered | Unknown, announce: Announce, reader: ReaderContext) -> Message:
        match request:
            case Help(topic):
                context = await reader()
                return guide(context, topic, operations=context.history)
            case History("", page):
                found, context = await self._history_page((), page), await reader()
                return history(found, context) if found else replies.database_away(context)
            case requests.ShowStatus():
                status = await self._status()
                return status_answer(status, self._now(), await reader())
        try:
            return await self._announced(self._from_wechat(request, announce, reader), announce, reader)
        except KfError as error:
            if isinstance(request, Unknown) and isinstance(request.typo_of, Help | requests.ShowStatus | History):
                return await self._corrected(request.typo_of, announce, reader)  # none of them needs WeChat
            log.warning(LogEvent("WeChat could not be read", **error_fields(error)))
            retry, context = suggestion_of(request).value, await reader()
            explanation, last_good = explain_error(error, context), self._accounts.last()
            return read_failure(explanation, self._now(), context, retry=retry, last_good=last_good)

    async def _from_wechat(self, request: Read, announce: Announce, reader: ReaderContext) -> Message:
        match request:
            case Overview():
                snapshot = await self._accounts.read_sparingly()
                return overview(snapshot, await reader())
            case List(page, states):
                snapshot = await self._accounts.read_sparingly()
                return account_list(snapshot, states, page, await reader())
            case Show(text):
                return await self._show(
                    text,
                    reader,
                    lambda snapshot, context: _results(
                        snapshot, find_accounts(snapshot.rows, text), text, 1, context
                    ),
                )
            case Find(text, page):
                return await self._find(text, page, reader)
            case History(text, page):
                return await self._account_history(text, page, reader)
            case Unknown(text, typo_of, nearest):
                snapshot = await self._accounts.read_sparingly()
                if find_accounts(snapshot.rows, text):
                    return await self._find(text, 1, reader)
                if typo_of:
                    return await self._corrected(typo_of, announce, reader)
                return no_match(snapshot, text, await reader(), suggestion_of(nearest or Help()))

    async def _account_history(self, text: str, page: int, reader: ReaderContext) -> Message:
        """Show the history of a listed account, or of one that is not listed any more.

        Raises:
            KfError: WeChat could not be read, and the last list and the store do not know the account.
        """
        failure = None
        try:
            snapshot: Snapshot | None = await self._accounts.read_sparingly()
        except KfError as error:
            snapshot, failure = self._accounts.last(), error
        rows = snapshot.rows if snapshot else ()
        row = pick_account(rows, text)
        keys = [row.account.key] if row else _spellings(text, rows)
        found, context = await self._history_page(keys, page), await reader()
        if found is None:
            return replies.database_away(context)
        if row or found.entries:
            return history(found, context, account=row.account if row else None)
        if failure or not snapshot:
            raise failure or RuntimeError("no list")
        return _results(snapshot, find_accounts(rows, text), text, 1, context)

    async def _corrected(self, meant: Answered, announce: Announce, reader: ReaderContext) -> Message:
        answer = await self._answer(meant, announce, reader)
        return replies.corrected(suggestion_of(meant).words, answer, await reader())

    async def _find(self, text: str, page: int, reader: ReaderContext) -> Message:
        """Render the accounts that match; if it is a single one, with its details."""
        snapshot = await self._accounts.read_sparingly()
        hits = find_accounts(snapshot.rows, text)
        if len(hits) == 1:
            return await self._details(snapshot, hits[0], self._accounts.online(), reader)
        return _results(snapshot, hits, text, page, await reader())

    async def _details(
        self,
        snapshot: Snapshot,
        row: AccountRow,
        online: Awaitable[Sequence[OnlineKf] | None],
        reader: ReaderContext,
    ) -> Message:
        known, context = await online, await reader()
        history = await self._history(row.account, context)
        return account_details(snapshot, row, known, context, history)

    async def _show(
        self, text: str, reader: ReaderContext, otherwise: Callable[[Snapshot, RenderContext], Message]
    ) -> Message:
        """Show the details of the account that is meant, or `otherwise`."""
        online = asyncio.ensure_future(self._accounts.online())
        try:
            snapshot = await self._accounts.read_sparingly()
            row = pick_account(snapshot.rows, text)
            if row is None:
                return otherwise(snapshot, await reader())
            return await self._details(snapshot, row, online, reader)
        finally:
            online.cancel()

    async def _history(self, account: KfAccount, context: RenderContext) -> str:
        """Return the timeline of an invitation; "" without one, or if it cannot be shown."""
        try:
            episode, operations = await asyncio.gather(self._newest_episode(account), self._operations(account.key))
            return timeline(episode, self._channel, context, operations) if episode else ""
        except Exception as exc:
            log.error(LogEvent("account cannot be shown", account=masked(account.key), error=fault_words(exc)))
            return ""


def _results(
    snapshot: Snapshot, hits: Sequence[AccountRow], text: str, page: int, context: RenderContext
) -> Message:
    return search_results(snapshot, hits, text, page, context) if hits else no_match(snapshot, text, context)


def _spellings(text: str, rows: Sequence[AccountRow]) -> list[str]:
    """Return the keys that a typed account may have: in lower case, and with what others have after `@`."""
    suffix = shared_suffix(row.account.kf_account for row in rows)
    typed = list(dict.fromkeys((text, fold(text))))
    return typed if "@" in text or not suffix else [*typed, *(f"{word}@{suffix}" for word in typed)]
