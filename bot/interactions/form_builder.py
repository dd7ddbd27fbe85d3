"""Build the form of an operation from what is known: the alert's episode, or the last read of the list."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from bot import actions
from bot.accounts import AccountRow, Snapshot, account_of, find_accounts
from bot.actions import OpenInvite
from bot.blocks.answers import operation_refusals, replies
from bot.blocks.answers.lists import no_match
from bot.blocks.context import RenderContext
from bot.blocks.modals.forms import add_form, delete_form, invite_form, rename_form
from bot.blocks.modals.pick import blocked_view, pick_form
from bot.interactions.account_reader import AccountReader
from bot.interactions.operation_gate import OperationGate
from bot.operation_targets import Target, pick
from bot.operations.fields import shared_suffix
from bot.operations.operation import AccountFacts, OperationKind
from bot.operations.rules import INVITABLE, facts_of, facts_of_episode
from bot.ports import Clock, Message, View
from bot.requests import Operate
from wechat_kf import KfError

CONVERSATIONS_SECONDS = 0.5  # that a form waits for the number of open conversations


class FormBuilder:
    """Builds forms. Each method returns a Message if there is no form, which says why.

    Raises:
        KfError: WeChat had to be read, and could not be.
        StoreError: the store cannot be read.
    """

    def __init__(self, accounts: AccountReader, gate: OperationGate, *, channel: str, clock: Clock) -> None:
        self._accounts = accounts
        self._gate = gate
        self._channel = channel
        self._clock = clock

    async def typed_command(self, request: Operate, context: RenderContext) -> View | Message:
        """Build the form of a typed command."""
        if request.kind is OperationKind.ADD:
            target = pick(request.kind, request.text, ())
            return await self.add(target.typed, target.rest, context)
        snapshot = await self._snapshot()
        target = pick(request.kind, request.text, snapshot.rows)
        if not target.hits:  # it may have been added since
            self._accounts.expire()
            with suppress(KfError):
                snapshot = await self._accounts.read()
            target = pick(request.kind, request.text, snapshot.rows)
        if target.account is None:
            return self._no_target(request.kind, target, snapshot, context)
        row = next(row for row in snapshot.rows if row.account.key == target.account.key)
        return await self._form(request.kind, row, target.rest, context)

    def _no_target(
        self, kind: OperationKind, target: Target, snapshot: Snapshot, context: RenderContext
    ) -> View | Message:
        if kind is not OperationKind.INVITE:
            return no_match(snapshot, target.typed, context)
        hits = find_accounts(snapshot.rows, target.typed) if target.hits else snapshot.rows
        return pick_form(hits, context, searched="" if target.hits else target.typed)

    async def invite(self, action: OpenInvite, context: RenderContext) -> View | Message:
        """Build the form of the button that invites."""
        if action.episode_id:
            return await self._invite_again(action.episode_id, context)
        row = await self._accounts.find(action.handle)
        if row is None:
            return replies.out_of_date(context)
        return await self._form(OperationKind.INVITE, row, "", context)

    async def _invite_again(self, episode_id: str, context: RenderContext) -> View | Message:
        """Render the form of an alert from its episode, or from the last list if that is newer."""
        found = await self._gate.episode(episode_id)
        if found is None:
            return replies.out_of_date(context)
        last = self._accounts.last()
        is_newer = last is not None and last.at >= found.state_since
        row = account_of(last.rows, actions.handle(found.account_key)) if last and is_newer else None
        facts = facts_of(row.account, self._clock()) if row else facts_of_episode(found)
        if not facts.kf_account:
            return operation_refusals.only_in_console(context)
        return await self._invite_form(facts, "", context, episode_id=episode_id)

    async def _form(
        self, kind: OperationKind, row: AccountRow, rest: str, context: RenderContext
    ) -> View | Message:
        if not row.account.kf_account:
            return operation_refusals.only_in_console(context)
        facts = facts_of(row.account, self._clock())
        if kind is OperationKind.INVITE:
            if facts.status not in INVITABLE:  # the list may be old
                newer = account_of((await self._accounts.read()).rows, actions.handle(row.account.key))
                facts = facts_of(newer.account, self._clock()) if newer else facts
            return await self._invite_form(facts, rest, context)
        refused_at = await self._gate.refused_at(kind)
        if kind is OperationKind.RENAME:
            typed = {"name": rest} if rest else {}
            return rename_form(
                facts, self._clock(), context, channel=self._channel, typed=typed, refused_at=refused_at
            )
        conversations = await self._conversations(row) if facts.kf_wx else 0
        return delete_form(
            facts,
            self._clock(),
            context,
            channel=self._channel,
            conversations=conversations,
            refused_at=refused_at,
        )

    async def _invite_form(
        self, facts: AccountFacts, wx: str, context: RenderContext, *, episode_id: str = ""
    ) -> View:
        if facts.status not in INVITABLE:
            return blocked_view(facts, self._clock(), context)
        return invite_form(
            facts,
            self._clock(),
            context,
            channel=self._channel,
            episode_id=episode_id,
            typed={"wx": wx} if wx else {},
            refused_at=await self._gate.refused_at(OperationKind.INVITE),
        )

    async def add(self, account: str, name: str, context: RenderContext) -> View:
        """Build the form that adds an account."""
        snapshot = await self._snapshot()
        typed = {field: text for field, text in (("account", account), ("name", name)) if text}
        return add_form(
            context,
            suffix=shared_suffix(row.account.kf_account for row in snapshot.rows),
            number=len(snapshot.rows),
            channel=self._channel,
            typed=typed,
            refused_at=await self._gate.refused_at(OperationKind.ADD),
        )

    async def _snapshot(self) -> Snapshot:
        """Return the last list, however old; the submission reads it again."""
        return self._accounts.last() or await self._accounts.read()

    async def _conversations(self, row: AccountRow) -> int:
        """Return the open conversations of an account; 0 if WeChat does not say at once."""
        try:
            online = await asyncio.wait_for(self._accounts.online(), CONVERSATIONS_SECONDS)
        except TimeoutError:
            return 0
        return sum(one.accepted_case or 0 for one in online or () if one.key == row.account.key)
