"""Pass what people do in Slack to the handlers of the Official Account that it concerns.

A command names the account, or the channel that it is typed in does; buttons and views carry the AppID.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot import actions, view_metadata
from bot.blocks.context import RenderContext
from bot.blocks.tenant_label import TenantLabel
from bot.fleet import Fleet
from bot.health.facts import Problem
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
from bot.tenant_requests import parse_fleet, split_account
from bot.tenants.model import Origin as Source
from bot.tenants.model import Tenant
from bot.wiring import Services


@dataclass(frozen=True, slots=True)
class _Route:
    """One Official Account, and what answers for it."""

    services: Services
    label: TenantLabel
    handler: InteractionHandler

    @property
    def appid(self) -> str:
        return self.label.appid

    def admitted(self, origin: Origin) -> Origin:
        """Return where a person acts, with whether it is the channel of the account: its members may see it."""
        return replace(origin, is_admitted=self.is_channel(origin.channel_id))

    async def is_visible(self, user_id: str, channel_id: str) -> bool:
        """Return whether a person may see the account: named as a viewer, or a member of its channel."""
        return self.is_channel(channel_id) or bool(await self.services.access.allows(user_id))

    def is_channel(self, channel_id: str) -> bool:
        """Return whether it is the channel of the account."""
        # Without alerts an account may have no channel, and App Home has none.
        return bool(channel_id) and channel_id == self.services.settings.slack_alert_channel


class TenantRouter:
    """Answers everything that people do in Slack, in an installation whose Official Accounts are in a file."""

    def __init__(self, fleet: Fleet, wake: Callable[[], None], notice_after: float) -> None:
        """Build the handlers of every account. For the other arguments see `make_interactions`."""
        self.interactions: dict[str, InteractionServices] = {}  # by AppID
        self._routes: dict[str, _Route] = {}
        shared = fleet.shared

        async def problems() -> Sequence[tuple[Tenant, Sequence[Problem]]]:
            return [(services.tenant, found) for services, found in await fleet.problems()]

        context = RenderContext.from_settings(shared.settings)
        may_operate = shared.operators.people.include
        self._answers = FleetAnswers(
            shared.store, shared.readers, shared.clock, context, problems, may_operate=may_operate
        )
        for services in fleet.accounts:
            label = services.label or TenantLabel(services.tenant.appid, services.tenant.title)
            views = LabelledViews(shared.views, label, self._home_menu)
            interactions = make_interactions(services, views, wake, notice_after)
            self.interactions[label.appid] = interactions
            self._routes[label.appid] = _Route(services, label, interactions.handler)

    async def handle_command(self, command: Command, announce: Announce) -> Message | None:
        """Return the answer to a command; None if a modal was opened instead."""
        channel_id = command.origin.channel_id
        visible = await self._visible(command.user_id, channel_id)
        handle, rest = split_account(command.text)
        if handle:
            named = next((one for one in visible if handle in (one.services.tenant.slug, one.appid.lower())), None)
            if named:
                return await self._command(named, replace(command, text=rest), announce)
            return await self._answers.no_such_account(handle, _tenants(visible), command.user_id)
        here = _of_channel(visible, channel_id)
        request = parse_fleet(command.text)
        explains = len(visible) > 1 and isinstance(parse_command(command.text), Help)
        if request is None and len(here) == 1 and not explains:
            return await self._command(here[0], command, announce)
        if not visible:  # the handler of any account refuses
            return await self._first.handler.handle_command(command, announce)
        if request:
            return await self._answers.answer(request, _tenants(visible), command.user_id)
        return await self._answers.of_several(command.text, _tenants(here), command.user_id)

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
        route = self._routes.get(appid) if appid else self._of_environment
        if route is None:  # its account is no longer here
            return await self._first.handler.handle_action(replace(click, value=""), announce)
        click = replace(click, value=value, origin=route.admitted(click.origin))
        with route.services.in_log():
            answer = await route.handler.handle_action(click, _labelled(announce, route.label))
        if answer is None or not await route.is_visible(click.user_id, click.origin.channel_id):
            return answer  # a refusal names no account
        return route.label.on_message(answer)

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
            return await self._answers.answer(fleet, _tenants(here if fleet.here else visible), click.user_id)
        if isinstance(request, Help):
            return await self._answers.guide(request.topic, _tenants(here), click.user_id)
        return await self._answers.status(_tenants(here), click.user_id)

    async def handle_submission(self, submission: Submission) -> SubmissionAnswer:
        """Return the answer to a submitted modal."""
        appid = view_metadata.appid_of(submission.private_metadata)
        route = self._routes.get(appid) if appid else self._of_environment
        if route is None:  # its account is no longer here: nothing may happen to another one
            return await self._first.handler.handle_submission(replace(submission, private_metadata=""))
        values = {block: actions.split_tenant(value)[1] for block, value in submission.values.items()}
        with route.services.in_log():
            answer = await route.handler.handle_submission(replace(submission, values=values))
        return ShowView(route.label.on_view(answer.view)) if isinstance(answer, ShowView) else answer

    async def handle_home_opened(self, opened: HomeOpened) -> None:
        """Publish the board of the account that the person chose last, else of the first one they may see."""
        visible = await self._visible(opened.user_id, "")
        appid = view_metadata.appid_of(opened.private_metadata)
        route = next((one for one in visible if one.appid == appid), next(iter(visible), self._first))
        with route.services.in_log():
            await route.handler.handle_home_opened(opened)

    def restarting(self, user_id: str) -> Message:
        """Return the answer when the process stops before a better one is there."""
        return self._first.handler.restarting(user_id)

    def failed(self, user_id: str) -> Message:
        """Return the answer when none could be made."""
        return self._first.handler.failed(user_id)

    @property
    def _first(self) -> _Route:
        return next(iter(self._routes.values()))

    @property
    def _of_environment(self) -> _Route | None:
        """Return the account whose buttons carry no AppID: it was the only one when they were made."""
        routes = self._routes.values()
        return next((one for one in routes if one.services.tenant.origin is Source.ENVIRONMENT), None)

    async def _visible(self, user_id: str, channel_id: str) -> Sequence[_Route]:
        """Return the accounts that a person may see."""
        routes = list(self._routes.values())
        allowed = await asyncio.gather(*(route.is_visible(user_id, channel_id) for route in routes))
        return [route for route, is_visible in zip(routes, allowed, strict=True) if is_visible]

    async def _command(self, route: _Route, command: Command, announce: Announce) -> Message | None:
        command = replace(command, origin=route.admitted(command.origin))
        with route.services.in_log():
            answer = await route.handler.handle_command(command, _labelled(announce, route.label))
        return route.label.on_message(answer) if answer else None

    async def _home_menu(self, user_id: str, appid: str) -> Sequence[Block]:
        """Return the menu with which a person chooses the account that App Home shows; nothing for the only one."""
        if len(self._routes) == 1:
            return ()
        return await self._answers.home_menu(_tenants(await self._visible(user_id, "")), appid, user_id)


def _of_channel(routes: Sequence[_Route], channel_id: str) -> Sequence[_Route]:
    """Return those of the accounts whose channel it is; all of them in a channel of none."""
    return [one for one in routes if one.is_channel(channel_id)] or routes


def _labelled(announce: Announce, label: TenantLabel) -> Announce:
    async def labelled(notice: Message) -> None:
        await announce(label.on_message(notice))

    return labelled


def _tenants(routes: Sequence[_Route]) -> list[Tenant]:
    return [one.services.tenant for one in routes]
