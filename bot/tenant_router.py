"""Pass what people do in Slack to the handlers of the Official Account that it concerns.

A command names the account, or the channel that it is typed in does; buttons and views carry the AppID.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from bot import actions, view_metadata
from bot.blocks.context import RenderContext
from bot.blocks.tenant_label import TenantLabel
from bot.fleet import Fleet
from bot.interaction_wiring import InteractionServices, make_interactions
from bot.interactions.fleet_answers import FleetAnswers
from bot.interactions.handler import InteractionHandler
from bot.labelled_views import LabelledViews
from bot.ports import (
    Announce,
    Block,
    BlockAction,
    Command,
    HomeOpened,
    Message,
    Origin,
    ShowView,
    Submission,
    SubmissionAnswer,
)
from bot.requests import Help, ShowStatus, parse_command
from bot.runtime.logs import official_account
from bot.runtime.recently_used import RecentlyUsed
from bot.tenant_requests import parse_fleet, split_account
from bot.tenants.tenant import Tenant, TenantOrigin

MOST_HANDLERS = 200  # accounts whose handlers are kept, with the boards and modals that follow changes


class TenantRouter:
    """Answers everything that people do in Slack, unless the account of the environment is the only one."""

    def __init__(self, fleet: Fleet, wake: Callable[[], None], notice_after: float) -> None:
        """Keep what the handlers of an account are made from. For the arguments see `make_interactions`."""
        self._fleet = fleet
        self._wake = wake
        self._notice_after = notice_after
        self.interactions = RecentlyUsed(self._make, MOST_HANDLERS)  # by AppID
        self._tenants = [*fleet.tenants.values()]
        self._viewers = {tenant.settings.kf_viewers for tenant in self._tenants}
        own = (tenant for tenant in self._tenants if tenant.origin is TenantOrigin.ENVIRONMENT)
        # The account whose buttons carry no AppID: it was the only one when they were made.
        self._of_environment = next(own, None)
        shared = fleet.shared

        context = RenderContext.from_settings(shared.settings)
        may_operate = shared.operators.people.include
        self._answers = FleetAnswers(
            shared.store,
            shared.readers,
            shared.clock,
            context,
            fleet.problems,
            may_operate=may_operate,
            platform=lambda: fleet.platform,
        )

    def _make(self, appid: str) -> InteractionServices:
        services = self._fleet.accounts[appid]
        views = LabelledViews(self._fleet.shared.views, self._label(services.tenant), self._home_menu)
        return make_interactions(services, views, self._wake, self._notice_after)

    async def handle_command(self, command: Command, announce: Announce) -> Message | None:
        """Return the answer to a command; None if a modal was opened instead."""
        channel_id = command.origin.channel_id
        visible = await self._visible(command.user_id, channel_id)
        handle, rest = split_account(command.text)
        if handle:
            named = next((one for one in visible if handle in (one.slug, one.appid.lower())), None)
            if named:
                return await self._command(named, replace(command, text=rest), announce)
            return await self._answers.no_such_account(handle, visible, command.user_id)
        here = _of_channel(visible, channel_id)
        request = parse_fleet(command.text)
        explains = len(visible) > 1 and isinstance(parse_command(command.text), Help)
        if request is None and len(here) == 1 and not explains:
            return await self._command(here[0], command, announce)
        if not visible:  # the handler of any account refuses
            return await self._first.handle_command(command, announce)
        if request:
            return await self._answers.answer(request, visible, command.user_id)
        return await self._answers.of_several(command.text, here, command.user_id)

    async def handle_action(self, click: BlockAction, announce: Announce) -> Message | None:
        """Return the answer to a click; None if the clicked message itself, or a view, shows the result."""
        appid, value = actions.split_tenant(click.value)
        if click.action_id == actions.HOME_ACCOUNT:
            await self.handle_home_opened(HomeOpened(click.user_id, True, view_metadata.with_appid(appid, "")))
            return None
        if not appid and (answer := await self._of_several(click)):
            return answer
        if not appid and click.view:
            appid = view_metadata.appid_of(click.view.private_metadata)
        tenant = self._fleet.tenants.get(appid) if appid else self._of_environment
        if tenant is None:  # its account is no longer here
            return await self._first.handle_action(replace(click, value=""), announce)
        click = replace(click, value=value, origin=_admitted(tenant, click.origin))
        with self._in_log(tenant):
            answer = await self._handler(tenant).handle_action(click, _labelled(announce, self._label(tenant)))
        if answer is None or not await self._is_visible(tenant, click.user_id, click.origin.channel_id):
            return answer  # a refusal names no account
        return self._label(tenant).on_message(answer)

    async def _of_several(self, click: BlockAction) -> Message | None:
        """Return the answer to a click below an answer about several accounts; None if it is about one, or refused.

        Such an answer is ephemeral, or a view: only the person whom it was for has seen it.
        """
        if not (click.origin.is_ephemeral or click.view):
            return None
        fleet, request = actions.decode_fleet(click.value), actions.decode(click.action_id, click.value)
        if fleet is None and not isinstance(request, ShowStatus | Help):
            return None
        visible = await self._visible(click.user_id, click.origin.channel_id)
        if not visible:
            return None
        here = _of_channel(visible, click.origin.channel_id)
        if fleet:
            return await self._answers.answer(fleet, here if fleet.here else visible, click.user_id)
        if isinstance(request, Help):
            return await self._answers.guide(request.topic, here, click.user_id)
        return await self._answers.status(here, click.user_id)

    async def handle_submission(self, submission: Submission) -> SubmissionAnswer:
        """Return the answer to a submitted modal."""
        appid = view_metadata.appid_of(submission.private_metadata)
        tenant = self._fleet.tenants.get(appid) if appid else self._of_environment
        if tenant is None:  # its account is no longer here: nothing may happen to another one
            return await self._first.handle_submission(replace(submission, private_metadata=""))
        values = {block: actions.split_tenant(value)[1] for block, value in submission.values.items()}
        with self._in_log(tenant):
            answer = await self._handler(tenant).handle_submission(replace(submission, values=values))
        return ShowView(self._label(tenant).on_view(answer.view)) if isinstance(answer, ShowView) else answer

    async def handle_home_opened(self, opened: HomeOpened) -> None:
        """Publish the board of the account that the person chose last, else of the first one they may see."""
        visible = await self._visible(opened.user_id, "")
        appid = view_metadata.appid_of(opened.private_metadata)
        first = visible[0] if visible else self._tenants[0]
        tenant = next((one for one in visible if one.appid == appid), first)
        with self._in_log(tenant):
            await self._handler(tenant).handle_home_opened(opened)

    def restarting(self, user_id: str) -> Message:
        """Return the answer when the process stops before a better one is there."""
        return self._first.restarting(user_id)

    def failed(self, user_id: str) -> Message:
        """Return the answer when none could be made."""
        return self._first.failed(user_id)

    @property
    def _first(self) -> InteractionHandler:
        return self._handler(self._tenants[0])

    def _handler(self, tenant: Tenant) -> InteractionHandler:
        return self.interactions[tenant.appid].handler

    def _label(self, tenant: Tenant) -> TenantLabel:
        return TenantLabel(tenant.appid, tenant.title, is_named=self._fleet.is_several)

    def _in_log(self, tenant: Tenant) -> AbstractContextManager[None]:
        return official_account(tenant.slug if self._fleet.is_several else "")

    async def _is_visible(self, tenant: Tenant, user_id: str, channel_id: str) -> bool:
        """Return whether a person may see an account: named as a viewer, or a member of its channel."""
        policy = self._fleet.shared.access_of(tenant.settings.kf_viewers)
        return _is_channel(tenant, channel_id) or bool(await policy.allows(user_id))

    async def _visible(self, user_id: str, channel_id: str) -> Sequence[Tenant]:
        """Return the accounts that a person may see. Those with the same viewers are decided together."""
        policies = map(self._fleet.shared.access_of, self._viewers)
        allowed = await asyncio.gather(*(policy.allows(user_id) for policy in policies))
        admitting = {viewers for viewers, allows in zip(self._viewers, allowed, strict=True) if allows}
        return [
            one for one in self._tenants if one.settings.kf_viewers in admitting or _is_channel(one, channel_id)
        ]

    async def _command(self, tenant: Tenant, command: Command, announce: Announce) -> Message | None:
        command = replace(command, origin=_admitted(tenant, command.origin))
        with self._in_log(tenant):
            answer = await self._handler(tenant).handle_command(command, _labelled(announce, self._label(tenant)))
        return self._label(tenant).on_message(answer) if answer else None

    async def _home_menu(self, user_id: str, appid: str) -> Sequence[Block]:
        """Return the menu with which a person chooses the account that App Home shows; nothing for the only one."""
        if not self._fleet.is_several:
            return ()
        return await self._answers.home_menu(await self._visible(user_id, ""), appid, user_id)


def _admitted(tenant: Tenant, origin: Origin) -> Origin:
    """Return where a person acts, with whether it is the channel of the account: its members may see it."""
    return replace(origin, is_admitted=_is_channel(tenant, origin.channel_id))


def _is_channel(tenant: Tenant, channel_id: str) -> bool:
    """Return whether it is the channel of the account."""
    # Without alerts an account may have no channel, and App Home has none.
    return bool(channel_id) and channel_id == tenant.settings.slack_alert_channel


def _of_channel(tenants: Sequence[Tenant], channel_id: str) -> Sequence[Tenant]:
    """Return those of the accounts whose channel it is; all of them in a channel of none."""
    return [one for one in tenants if _is_channel(one, channel_id)] or tenants


def _labelled(announce: Announce, label: TenantLabel) -> Announce:
    async def labelled(notice: Message) -> None:
        await announce(label.on_message(notice))

    return labelled
