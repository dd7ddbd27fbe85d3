"""Answer `/kf` and its buttons: read WeChat and choose the answer. `blocks` renders it; no Slack calls here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from bot import actions, requests
from bot.accounts import AccountRow, Snapshot, find_accounts, pick_account
from bot.alerting.episode import NEEDS_ATTENTION, Episode
from bot.blocks.answers import replies
from bot.blocks.answers.account_details import account_details, last_known_details
from bot.blocks.answers.broken_rows import with_placeholders
from bot.blocks.answers.lists import account_list, no_match, search_results
from bot.blocks.answers.overview import overview
from bot.blocks.answers.replies import Suggestion
from bot.blocks.answers.status_answer import status_answer
from bot.blocks.answers.timeline import timeline
from bot.blocks.context import RenderContext
from bot.blocks.problems import Explanation, explain_error, read_failure
from bot.ports import Accounts, Announce, Clock, Message, unannounced
from bot.requests import Find, Help, Known, List, Overview, Request, Show, Unknown
from bot.runtime.logs import LogEvent, error_fields, fault_words
from bot.runtime.single_flight import SingleFlight
from bot.status import Status
from bot.text import masked
from wechat_kf import KfAccount, KfError, KfList, OnlineKf

log = logging.getLogger(__name__)

ONLINE_SECONDS = 2  # the online list is optional: an answer does not wait longer for it
GOOD_FOR = 5.0  # seconds: repeated commands must not become as many calls to WeChat

Read = Overview | List | Find | Show | Unknown
ReaderContext = Callable[
    [], Awaitable[RenderContext]
]  # returns the context of the person who asks, once it is known


class CommandHandler:
    """Answers requests. Concurrent requests share one read of WeChat, and the last good read is kept."""

    def __init__(
        self,
        accounts: Accounts,
        *,
        now: Clock,
        context: RenderContext,
        channel: str,
        status: Callable[[], Awaitable[Status]],
        newest_episode: Callable[[KfAccount], Awaitable[Episode | None]],
        owned: Callable[[], Awaitable[Sequence[Episode]]],
        on_good_read: Callable[[], None] = lambda: None,
        notice_after: float,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep what answers are made from.

        Args:
            channel: the ID of the alert channel, or "".
            newest_episode: returns the episode of the invitation that an account has now, if it is known.
            owned: returns the open invitations that a user acknowledged or snoozed, and does not raise.
            on_good_read: is called after each good read, and may not raise or wait.
            notice_after: seconds after which a read of WeChat is announced to the user.
        """
        self._accounts = accounts
        self._now = now
        self._base_context = context
        self._channel = channel
        self._status = status
        self._newest_episode = newest_episode
        self._owned = owned
        self._on_good_read = on_good_read
        self._notice_after = notice_after
        self._snapshots = SingleFlight(self._read, GOOD_FOR, elapsed)
        self._checks_rows = False  # an answer has failed: find the accounts that cannot be rendered
        self._faults: dict[str, str] = {}  # by account key, why it cannot be shown

    async def answer(
        self, request: Request, announce: Announce = unannounced, reader: ReaderContext | None = None
    ) -> Message:
        """Answer a request. An error of WeChat is answered as well, and not raised.

        If an account cannot be rendered, the answer is rendered again with a placeholder for it.

        Args:
            reader: is awaited after the read of WeChat; None: the answer is in the language of the channel.
        """
        return await self._contained(lambda: self._answer(request, announce, reader or self._in_channel))

    async def about(
        self, episode: Episode, announce: Announce = unannounced, reader: ReaderContext | None = None
    ) -> Message:
        """Show the details of an alert's account: as WeChat reports it, else as the bot last knew it."""
        reader = reader or self._in_channel

        def last_known(explanation: Explanation | None, context: RenderContext) -> Message:
            return last_known_details(episode, self._channel, explanation, context)

        try:
            handle = actions.handle(episode.account_key)
            return await self._contained(
                lambda: self._announced(
                    self._show(handle, reader, lambda _, context: last_known(None, context)), announce, reader
                )
            )
        except KfError as error:
            log.warning(LogEvent("WeChat could not be read", **error_fields(error)))
            context = await reader()
            return last_known(explain_error(error, context), context)

    async def _in_channel(self) -> RenderContext:
        return replace(self._base_context, around=self._now())

    async def _contained(self, answer: Callable[[], Awaitable[Message]]) -> Message:
        try:
            return await answer()
        except KfError:
            raise
        except Exception:
            if self._checks_rows:
                raise
            self._checks_rows = True
            return await answer()

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

    async def _answer(self, request: Request, announce: Announce, reader: ReaderContext) -> Message:
        match request:
            case Help(topic):
                return replies.guide(await reader(), topic)
            case requests.ShowStatus():
                status = await self._status()
                return status_answer(status, self._now(), await reader())
        try:
            return await self._announced(self._from_wechat(request, announce, reader), announce, reader)
        except KfError as error:
            if isinstance(request, Unknown) and isinstance(request.typo_of, Help | requests.ShowStatus):
                return await self._corrected(request.typo_of, announce, reader)  # neither needs WeChat
            log.warning(LogEvent("WeChat could not be read", **error_fields(error)))
            retry, context = _runs(request).value, await reader()
            explanation, last_good = explain_error(error, context), self._snapshots.last()
            return read_failure(explanation, self._now(), context, retry=retry, last_good=last_good)

    async def _from_wechat(self, request: Read, announce: Announce, reader: ReaderContext) -> Message:
        match request:
            case Overview():
                snapshot = await self._snapshot()
                return overview(snapshot, await reader())
            case List(page, states):
                snapshot = await self._snapshot()
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
            case Unknown(text, typo_of, nearest):
                snapshot = await self._snapshot()
                if find_accounts(snapshot.rows, text):
                    return await self._find(text, 1, reader)
                if typo_of:
                    return await self._corrected(typo_of, announce, reader)
                return no_match(snapshot, text, await reader(), _runs(nearest or Help()))

    async def _corrected(self, meant: Known, announce: Announce, reader: ReaderContext) -> Message:
        answer = await self._answer(meant, announce, reader)
        return replies.corrected(_runs(meant).words, answer, await reader())

    async def _find(self, text: str, page: int, reader: ReaderContext) -> Message:
        """Render the accounts that match; if it is a single one, with its details."""
        snapshot = await self._snapshot()
        hits = find_accounts(snapshot.rows, text)
        if len(hits) == 1:
            return await self._details(snapshot, hits[0], self._online(), reader)
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
        online = asyncio.ensure_future(self._online())
        try:
            snapshot = await self._snapshot()
            row = pick_account(snapshot.rows, text)
            if row is None:
                return otherwise(snapshot, await reader())
            return await self._details(snapshot, row, online, reader)
        finally:
            online.cancel()

    async def _snapshot(self) -> Snapshot:
        (snapshot, is_cached), owned = await asyncio.gather(self._snapshots.get(), self._owned())
        snapshot = replace(snapshot, is_cached=is_cached).with_owners(owned, self._base_context.policy)
        if self._checks_rows:
            snapshot = with_placeholders(snapshot, await self._in_channel())
        self._note_faults(snapshot)
        return snapshot

    def _note_faults(self, snapshot: Snapshot) -> None:
        """Log each account that cannot be shown, once until it can be shown again."""
        faults = {row.account.key: fault_words(row.fault) for row in snapshot.rows if row.fault}
        for key, words in faults.items() - self._faults.items():
            log.error(LogEvent("account cannot be shown", account=masked(key), error=words))
        self._faults = faults
        self._checks_rows = self._checks_rows and bool(faults)

    async def _read(self) -> Snapshot:
        listing: KfList = await self._accounts.kf_list()
        snapshot = Snapshot.of(listing, self._now(), self._base_context.policy)
        self._on_good_read()
        return snapshot

    async def _history(self, account: KfAccount, context: RenderContext) -> str:
        """Return the timeline of an invitation; "" without one, or if it cannot be shown."""
        try:
            episode = await self._newest_episode(account)
            return timeline(episode, self._channel, context) if episode else ""
        except Exception as exc:
            log.error(LogEvent("account cannot be shown", account=masked(account.key), error=fault_words(exc)))
            return ""

    async def _online(self) -> Sequence[OnlineKf] | None:
        """Return the online users; None if WeChat does not answer in time."""
        try:
            return await self._accounts.online_kf_list(within=ONLINE_SECONDS, attempts=1)
        except KfError:
            return None


def _results(
    snapshot: Snapshot, hits: Sequence[AccountRow], text: str, page: int, context: RenderContext
) -> Message:
    return search_results(snapshot, hits, text, page, context) if hits else no_match(snapshot, text, context)


def _runs(request: Request) -> Suggestion:
    """Return the command that runs a request again, and the button that does the same."""
    match request:
        case List(_, states):
            words = "attention" if states == NEEDS_ATTENTION else " ".join(states) or "list"
            return Suggestion(words, actions.LIST, actions.encode(request))
        case Find(text):
            return Suggestion(f"find {text}", actions.LIST, actions.encode(request))
        case Unknown(text):
            return Suggestion(text, actions.LIST, actions.encode(Find(text, 1)))
        case Show(text):
            return Suggestion(f"show {text}", actions.SHOW, actions.encode(request))
        case requests.ShowStatus():
            return Suggestion("status", actions.REFRESH, actions.encode(request))
        case Help(topic):
            return Suggestion(topic or "help", actions.HELP, actions.encode(request))
        case Overview():
            return Suggestion("", actions.REFRESH, actions.encode(request))
