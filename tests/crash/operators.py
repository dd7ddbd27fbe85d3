"""People who invite, add, rename and delete in Slack: they open forms and submit them, again after a failure."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count

from bot import actions
from bot.demo.slack_simulator import Message, SlackSimulator, View
from bot.demo.slack_simulator.open_views import ViewChange
from bot.operations.operation import OperationKind
from tests.crash import operation_oracle
from tests.crash.accounts import CrashAccount
from tests.crash.operation_oracle import OperationVerdict, RequestedOperation, claim_of, words_of
from tests.crash.oracle import ChannelRecorder, Oracle
from tests.crash.workload import REJECTED, SentInvitation, Workload
from wechat_kf import writes
from wechat_kf.simulator import Fault, FaultMode, Simulator

STOCK = 3  # accounts with a rejected invitation, for forms to come
SUFFIX = "harbour_tea"
OPEN_SECONDS = 6.0  # until a form that has not opened is given up
PERSISTENCE = 40.0  # seconds in which a failed form is submitted again: it is the same click for a minute
KEPT = 60.0  # seconds after its form until an account may be removed
MAX_KEPT = 20  # accounts of earlier forms

PATHS = {
    OperationKind.INVITE: writes.INVITE,
    OperationKind.ADD: writes.ADD,
    OperationKind.RENAME: writes.UPDATE,
    OperationKind.DELETE: writes.DELETE,
}
# WeChat carries out the write, and the bot cannot know.
LOST_ANSWERS = (
    Fault(FaultMode.ANSWER_LOST),
    Fault(FaultMode.ANSWER_LATE, seconds=1.2),
    Fault(FaultMode.SLOW, seconds=1.2),
    Fault(FaultMode.HTML),
    Fault(FaultMode.TRUNCATED),
)
# It does not, and the bot cannot know, but for the last one.
NOT_CARRIED_OUT = (
    Fault(FaultMode.DOWN),
    Fault(FaultMode.ERRCODE, errcode=-1),
    Fault(FaultMode.ERRCODE, errcode=61450),
    Fault(FaultMode.ERRCODE, errcode=65400),
)
LAGS = (Fault(FaultMode.LIST_LAG), Fault(FaultMode.LIST_LAG, reads=2))


@dataclass(frozen=True, slots=True)
class SubmittedForm:
    """One click on the button that submits a form, and its answer."""

    asked: RequestedOperation
    bot: object  # whom it was sent to, as `find_bot` returned it
    began: float
    ms: float
    failure: str  # what Slack shows over the form, if there was no answer in time


class Operators:
    """All operators of an Official Account. The accounts that they change belong to them alone."""

    def __init__(
        self,
        slack: SlackSimulator,
        wechat: Simulator,
        workload: Workload,
        rng: random.Random,
        *,
        account: CrashAccount,
        oracle: Oracle,
        channel: ChannelRecorder,
        note: Callable[[str], None],
    ) -> None:
        """Keep what they act on.

        Args:
            account: names its operators, its channel, and the handle in their commands.
            note: writes into the diary of the run.
        """
        self._slack = slack
        self._wechat = wechat
        self._workload = workload
        self._rng = rng
        self._account = account
        self._oracle = oracle
        self._channel = channel
        self._note = note
        self._numbers = count(1)
        self._stock: list[SentInvitation] = []
        self._invitations: dict[str, SentInvitation] = {}  # rejected ones, by account
        self._busy: set[str] = set()
        self._troubled: list[RequestedOperation] = []  # Slack said that the app did not answer
        self._unasked: list[str] = []
        self.operations: list[RequestedOperation] = []
        self.submissions: list[SubmittedForm] = []
        self.not_opened = 0
        self.find_bot: Callable[[], object] = lambda: None  # directs the next request to a bot, and returns it
        for user, name in account.operators.items():
            slack.add_person(user, name)
        slack.may_mention = {*slack.may_mention, *(f"<@{user}>" for user in account.operators)}
        slack.views.on_change(self._watch)

    def prepare(self) -> None:
        """Let people reject invitations, so that there are alerts with buttons, and remove old accounts."""
        # The first message has room for the names of some invitations only.
        while self._channel.posted and len(self._stock) < STOCK:
            one = self._workload.reject_reserved(self._new_account())
            self._stock.append(one)
            self._invitations[one.kf_account] = one
        now = time.monotonic()
        listed = {seat.kf_account for seat in self._wechat.seats}
        kept = [asked for asked in self.operations if asked.kf_account in listed]
        for asked in kept[: max(0, len(kept) - MAX_KEPT)]:
            if asked.submitted_at and now - asked.submitted_at > KEPT:
                self._workload.remove_reserved(asked.kf_account)
                self._note(f"{asked.kf_account} is removed in the console")

    async def submit_again(self) -> None:
        """Let the people whose form failed submit it again, or give up."""
        troubled, self._troubled = self._troubled, []
        for one in troubled:
            patient = time.monotonic() - (one.submitted_at or 0) < PERSISTENCE
            view = self._slack.views.visible(one.user)
            if patient and view and view.id == one.view_id and view.failure and self._rng.random() < 0.7:
                self._note(f"{one} is submitted again")
                await self._submit(one, {})
            else:
                self._busy.discard(one.user)

    async def operate(self, is_up: Callable[[], bool], *, fails: bool = False) -> RequestedOperation | None:
        """Let one person open a form and submit it. Return None if no form was opened.

        Args:
            is_up: returns False once the bot cannot answer any more.
            fails: the answer of WeChat is lost, else there may be any fault or none.
        """
        free = sorted(self._account.operators.keys() - self._busy)
        if not free:
            return None
        user = self._rng.choice(free)
        self._busy.add(user)
        asked, alert = self._choose(user)
        view = await self._open(asked, alert, is_up)
        if view is None:
            self.not_opened += 1
            self._note(f"no form to {asked}")
            self._busy.discard(user)
            return None
        asked.view_id = view.id
        self.operations.append(asked)
        self._arm_write(asked, fails=fails)
        await self._submit(asked, _entries(asked))
        return asked

    def write_arrived(self, fields: Mapping[str, str]) -> None:
        """Count a write that arrived at WeChat."""
        one = self._of_account(fields["kf_account"])
        if one is None:
            self._unasked.append(fields["kf_account"])
            return
        one.writes += 1
        self._note(f"WeChat receives: {one}")

    def write_handled(self, fields: Mapping[str, str]) -> None:
        """Record the effect of a write."""
        one = self._of_account(fields["kf_account"])
        if one is None or one.took_effect or not one.is_shown(self._wechat):
            return
        one.took_effect = True
        self._note(f"WeChat carried out: {one}")
        if invitation := self._invitations.get(one.kf_account):
            self._workload.end_reserved(invitation, invited=one.value if one.kind is OperationKind.INVITE else "")

    def judge(self) -> OperationVerdict:
        threads = {
            first.ts: one.kf_account
            for first in self._channel.posted
            if first.thread_ts is None
            for one, _ in self._oracle.events_in(first)
            if one.is_reserved
        }
        return operation_oracle.judge(self.operations, self._channel.posted, threads, self._unasked)

    def _choose(self, user: str) -> tuple[RequestedOperation, Message | None]:
        """Choose what to do with which account, and the alert whose button opens the form, if one does."""
        kind = self._rng.choice([*OperationKind])
        of_invitation = kind in (OperationKind.INVITE, OperationKind.DELETE) and self._rng.random() < 0.7
        if of_invitation and self._stock:
            with_alert = [(one, alert) for one in self._stock if (alert := self._alert_of(one))]
            one, alert = with_alert[0] if with_alert else (self._stock[0], None)
            self._stock.remove(one)
            asked = RequestedOperation(kind, one.kf_account, one.nick, "", user)
            asked.value = f"operated_{_number(one.kf_account)}"
            return asked, alert if kind is OperationKind.INVITE else None
        kf_account = self._new_account()
        asked = RequestedOperation(kind, kf_account, "", "", user)
        number = _number(kf_account)
        asked.nick, asked.value = f"O{number}", f"operated_{number}"
        if kind is OperationKind.RENAME:
            asked.value = f"O{number}r"
        if kind is OperationKind.ADD:
            asked.value = asked.nick
        else:
            self._wechat.add_account(kf_account, asked.nick)
        return asked, None

    async def _open(
        self, asked: RequestedOperation, alert: Message | None, is_up: Callable[[], bool]
    ) -> View | None:
        before = self._slack.views.visible(asked.user)
        self.find_bot()
        if alert:
            said = await self._slack.click(alert, actions.INVITE, user=asked.user)
        else:
            account = f"@{self._account.handle} " if self._account.handle else ""
            value = "" if asked.kind is OperationKind.DELETE else f" {asked.value}"
            said = await self._slack.command(
                f"{account}{asked.kind} {asked.kf_account}{value}", user=asked.user, channel=self._account.channel
            )
        until = time.monotonic() + OPEN_SECONDS
        while is_up() and time.monotonic() < until:
            view = self._slack.views.visible(asked.user)
            if view and (before is None or view.id != before.id) and "submit" in view.content:
                return view if view.content["callback_id"] == f"op.{asked.kind}" else None
            if answers := said.answers():
                self._note(f"{asked}: {answers[0].text[:80]}")
                return None
            await asyncio.sleep(0.05)
        return None

    async def _submit(self, asked: RequestedOperation, entries: Mapping[str, str]) -> None:
        clicks = 2 if self._rng.random() < 0.2 else 1
        asked.submitted_at = asked.submitted_at or time.monotonic()
        self._note(f"{asked} is submitted by {asked.user}, {clicks} clicks")
        said = await asyncio.gather(*(self._click_submit(asked, entries) for _ in range(clicks)))
        self.submissions += said
        if all(one.failure for one in said):
            self._note(f"{asked} has no answer")
            self._troubled.append(asked)
            return
        view = self._slack.views.visible(asked.user)
        if view and view.id == asked.view_id and self._rng.random() < 0.25:
            with suppress(LookupError):
                await self._slack.close_modal(whole=True, user=asked.user)
        self._busy.discard(asked.user)

    async def _click_submit(self, asked: RequestedOperation, entries: Mapping[str, str]) -> SubmittedForm:
        began, bot = time.monotonic(), self.find_bot()
        said = await self._slack.submit(entries, user=asked.user)
        return SubmittedForm(asked, bot, began, said.ack.ms if said.ack else 0.0, said.failure)

    def _arm_write(self, asked: RequestedOperation, *, fails: bool) -> None:
        faults: tuple[Fault, ...] = ()
        if fails:
            faults = LOST_ANSWERS
        elif self._rng.random() < 0.5:
            faults = LOST_ANSWERS + NOT_CARRIED_OUT + LAGS
            if asked.kind is OperationKind.DELETE:
                faults += (Fault(FaultMode.NOT_DONE),)
        if faults:
            fault = self._rng.choice(faults)
            self._note(f"{asked} meets {fault.kind} {fault.errcode}")
            self._wechat.inject(replace(fault, path=PATHS[asked.kind]))

    def _watch(self, change: ViewChange, view: View) -> None:
        """Record what the modal says after its form was submitted."""
        asked = next((one for one in self.operations if one.view_id == view.id and one.submitted_at), None)
        if asked is None:
            return
        if change == "updated":
            asked.last_words = words_of(view.content)
        elif change == "refused" and view.errors:
            asked.last_words = " ".join(view.errors.values())
        else:
            return
        claim = claim_of(asked.last_words)
        self._note(f"{asked} shows {claim}: {asked.last_words[:120]!r}")
        asked.claims |= {claim} if claim else set()

    def _alert_of(self, one: SentInvitation) -> Message | None:
        """Return the alert of a rejected invitation, if it has a button to invite again."""
        for first in self._channel.posted:
            if first.thread_ts is None and (one, REJECTED) in self._oracle.events_in(first):
                message = self._channel.current[first.ts]
                shown = [element for block in message.blocks for element in block.get("elements", ())]
                if any(
                    element.get("action_id") == actions.INVITE for element in shown if isinstance(element, dict)
                ):
                    return message
        return None

    def _of_account(self, kf_account: str) -> RequestedOperation | None:
        return next((one for one in self.operations if one.kf_account == kf_account), None)

    def _new_account(self) -> str:
        return f"o{next(self._numbers)}@{SUFFIX}"


def _number(kf_account: str) -> str:
    return kf_account.partition("@")[0].removeprefix("o")


def _entries(asked: RequestedOperation) -> Mapping[str, str]:
    """Return what the person types into the form, by block_id."""
    match asked.kind:
        case OperationKind.INVITE:
            return {"wx": asked.value}
        case OperationKind.RENAME:
            return {"name": asked.value}
        case OperationKind.DELETE:
            return {"typed": asked.kf_account}
    return {}  # the command has filled it in
