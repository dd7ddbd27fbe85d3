"""Let administrators add, pause and resume Official Accounts from Slack; pass everything else on.

A change is a row, as of a command on the host, and every process takes it over within seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bot import actions
from bot.blocks.answers import administration_replies, operation_refusals, replies
from bot.blocks.answers.fleet_replies import no_such_account
from bot.blocks.context import RenderContext
from bot.blocks.modals import official_account
from bot.fleet_overview import TenantName, nearest_tenants
from bot.interactions.access import OperatorPolicy
from bot.interactions.readers import Readers
from bot.ports import (
    Announce,
    BlockAction,
    Clock,
    Command,
    FieldErrors,
    HomeOpened,
    Message,
    Origin,
    ShowView,
    Submission,
    SubmissionAnswer,
    ViewRefused,
    Views,
)
from bot.requests import Help, parse_command
from bot.runtime.logs import LogEvent
from bot.runtime.tasks import with_timeout
from bot.store import tenants as tenant_rows
from bot.store.account_changes import Actor, ChangeKind
from bot.store.database import Store, Tx
from bot.store.store_errors import StoreError, waiting_for
from bot.tenant_requests import Administer, Verb, parse_administration
from bot.tenants import changes, stored_accounts
from bot.tenants.changes import ChangeRefusal
from bot.tenants.installation import Installation, find, is_changeable
from bot.tenants.loading import DefinedAccounts, with_stored
from bot.tenants.table_keys import Source
from bot.tenants.tenant import Tenant

if TYPE_CHECKING:
    from bot.slack.listeners import Interactions

log = logging.getLogger(__name__)

STORE_SECONDS = 2.0
SUBMISSION_SECONDS = 1.0  # for the store: Slack waits three seconds for an answer to a form
KINDS = {Verb.PAUSE: ChangeKind.PAUSE, Verb.RESUME: ChangeKind.RESUME}
VERBS = {actions.PAUSE_TENANT: Verb.PAUSE, actions.RESUME_TENANT: Verb.RESUME}


class Administration:
    """Answers the commands, buttons and the form of administrators before the other handlers."""

    def __init__(
        self,
        others: Interactions,
        tenants: Sequence[Tenant],
        defined: DefinedAccounts,
        store: Store,
        admins: OperatorPolicy,
        views: Views,
        readers: Readers,
        clock: Clock,
        make_link: Callable[[str], str] | None = None,
    ) -> None:
        """Keep what answers need.

        Args:
            others: answers what is not for administrators.
            tenants: the accounts that this process watches.
            defined: what the environment and the file say of them, and of others.
            make_link: returns the link with which an owner authorises the platform, for the actor who asks for it;
                None without a platform.
        """
        self._others = others
        self._tenants = tenants
        self._defined = defined
        self._settings = defined.settings
        self._store = store
        self._admins = admins
        self._views = views
        self._readers = readers
        self._clock = clock
        self._make_link = make_link
        self._context = RenderContext.from_settings(defined.settings)

    async def handle_command(self, command: Command, announce: Announce) -> Message | None:
        """Return the answer to a command; None if a modal was opened instead."""
        request = parse_administration(command.text)
        if request is None:
            answer = await self._others.handle_command(command, announce)
            is_guide = parse_command(command.text) == Help()
            return await self._guide(answer, command.user_id, command.origin) if answer and is_guide else answer
        context = await self._reader(command.user_id)
        if refusal := await self._refusal(command.user_id, command.origin, context):
            return refusal
        if request.verb is Verb.ADD:
            return await self._open_form(command, context)
        if request.verb is Verb.LINK:
            return self._link(command.user_id, context)
        return await self._guarded(self._ask(request, context), context)

    async def handle_action(self, click: BlockAction, announce: Announce) -> Message | None:
        """Return the answer to a click; None if a view shows it."""
        verb = VERBS.get(click.action_id)
        if verb is None:
            answer = await self._others.handle_action(click, announce)
            is_guide = click.view is None and actions.decode(click.action_id, click.value) == Help()
            return await self._guide(answer, click.user_id, click.origin) if answer and is_guide else answer
        context = await self._reader(click.user_id)
        if refusal := await self._refusal(click.user_id, click.origin, context):
            return refusal
        actor = Actor(click.user_id, self._readers.name(click.user_id) or click.user_name)
        appid = click.value.removeprefix("v1:")
        return await self._guarded(self._switch(verb, appid, actor, context), context)

    async def handle_submission(self, submission: Submission) -> SubmissionAnswer:
        """Return the answer to a submitted form."""
        if submission.callback_id != actions.ADD_TENANT:
            return await self._others.handle_submission(submission)
        context = await self._reader(submission.user_id)
        if refusal := await self._refusal(submission.user_id, submission.origin, context):
            return ShowView(official_account.refused_view(refusal.text, context))
        try:
            return await with_timeout(self._add(submission, context), SUBMISSION_SECONDS)
        except (*StoreError, TimeoutError) as exc:
            _log(exc)
            return ShowView(official_account.refused_view(replies.database_away(context).text, context))

    async def handle_home_opened(self, opened: HomeOpened) -> None:
        """Publish the board of a person who opened the Home tab."""
        await self._others.handle_home_opened(opened)

    def restarting(self, user_id: str) -> Message:
        """Return the answer when the process stops before a better one is there."""
        return self._others.restarting(user_id)

    def failed(self, user_id: str) -> Message:
        """Return the answer when none could be made."""
        return self._others.failed(user_id)

    async def _reader(self, user_id: str) -> RenderContext:
        return await self._readers.context(user_id, replace(self._context, around=self._clock()))

    async def _guide(self, guide: Message, user_id: str, origin: Origin) -> Message:
        if await self._admins.allows(user_id, origin):
            return administration_replies.with_administration(guide, await self._reader(user_id))
        return guide

    async def _refusal(self, user_id: str, origin: Origin, context: RenderContext) -> Message | None:
        allowed = await self._admins.allows(user_id, origin)
        if allowed is None:
            return administration_replies.administrators_not_checked(context)
        return None if allowed else administration_replies.not_an_administrator(self._admins.named, context)

    async def _open_form(self, command: Command, context: RenderContext) -> Message | None:
        form = official_account.add_tenant_form(
            context,
            has_service=bool(self._settings.token_service_url),
            needs_channel=self._lacks_channel({}),
        )
        shown = await self._views.open(command.trigger_id, form)
        return operation_refusals.too_late_to_open(context, typed=True) if isinstance(shown, ViewRefused) else None

    def _link(self, user_id: str, context: RenderContext) -> Message:
        if self._make_link is None:
            return administration_replies.no_platform(context)
        log.info(LogEvent("link for an owner made", user=user_id))
        return administration_replies.owner_link(self._make_link(user_id), context)

    async def _ask(self, request: Administer, context: RenderContext) -> Message:
        """Ask for the confirmation of a change."""
        if not request.word:
            return administration_replies.which_one(request.verb, context)
        async with self._store.begin() as tx:
            installation = await self._installation(tx)
        tenant = find(installation.all, request.word)
        if tenant is None:
            names = [_name(one) for one in installation.all]
            return no_such_account(request.word, nearest_tenants(request.word, names), context)
        refusal = changes.why_not(KINDS[request.verb], tenant, installation)
        return _refused(refusal, request.verb, tenant, context) or administration_replies.question(
            request.verb, _name(tenant), context
        )

    async def _switch(self, verb: Verb, appid: str, actor: Actor, context: RenderContext) -> Message:
        async with self._store.begin() as tx:
            await tenant_rows.lock(tx)
            installation = await self._installation(tx)
            tenant = next((one for one in installation.all if one.appid == appid), None)
            if tenant is None:
                return replies.out_of_date(context)
            if refused := _refused(changes.why_not(KINDS[verb], tenant, installation), verb, tenant, context):
                return refused
            await changes.switch(tx, KINDS[verb], tenant, actor)
        log.info(LogEvent("account changed", change=verb, account=tenant.slug, user=actor.user_id))
        return administration_replies.changed(verb, _name(tenant), context)

    async def _add(self, submission: Submission, context: RenderContext) -> SubmissionAnswer:
        """Store an account whose tokens come from a service; for any other show the command for the host."""
        table = {key: value.strip() for key, value in submission.values.items() if value.strip()}
        source = table.setdefault("source", Source.SECRET)
        actor = Actor(submission.user_id, self._readers.name(submission.user_id) or submission.user_name)
        async with self._store.begin() as tx:
            await tenant_rows.lock(tx)
            installation = await self._installation(tx)
            if changes.why_not_add(table.get("appid", ""), installation):
                return FieldErrors({"appid": official_account.exists_already(context)})
            row, problems = changes.new_row(table, installation)
            fields = {problem.name for problem in problems}
            if self._lacks_channel(table):
                fields.add("channel")
            if fields:
                return FieldErrors({field: official_account.field_problem(field, context) for field in fields})
            table |= {"handle": row.slug, "name": row.name}
            if source != Source.SERVICE or not self._settings.token_service_url:
                return ShowView(official_account.command_view(table, context))
            await changes.store(tx, ChangeKind.ADD, [(row, "")], self._settings, actor)
        log.info(LogEvent("account changed", change=Verb.ADD, account=row.slug, user=actor.user_id))
        return ShowView(official_account.added_view(table, context))

    async def _installation(self, tx: Tx) -> Installation:
        stored = await stored_accounts.read(tx)
        # This process may still watch an account that was paused or removed some seconds ago.
        kept = {row.appid for row in stored.rows if row.is_watched}
        watched = [one for one in self._tenants if not is_changeable(one) or one.appid in kept]
        return Installation(watched, with_stored(self._defined, stored).paused)

    def _lacks_channel(self, table: Mapping[str, Any]) -> bool:
        """Return whether the alerts of a new account would have no channel, by `[defaults]` and a route either."""
        return not self._settings.slack_alert_channel and "channel" not in self._defined.file.complete(table)

    async def _guarded(self, work: Coroutine[Any, Any, Message], context: RenderContext) -> Message:
        try:
            return await with_timeout(work, STORE_SECONDS)
        except (*StoreError, TimeoutError) as exc:
            _log(exc)
            return replies.database_away(context)


def _refused(refusal: ChangeRefusal | None, verb: Verb, tenant: Tenant, context: RenderContext) -> Message | None:
    make: dict[ChangeRefusal, Callable[[], Message]] = {
        ChangeRefusal.DEFINED: lambda: administration_replies.kept_elsewhere(_name(tenant), context),
        ChangeRefusal.LAST: lambda: administration_replies.last_one(_name(tenant), context),
        ChangeRefusal.NOT_POLLED: lambda: administration_replies.not_polled(_name(tenant), tenant.state, context),
    }
    if refusal is None:
        return None
    return make[refusal]() if refusal in make else administration_replies.already(verb, _name(tenant), context)


def _name(tenant: Tenant) -> TenantName:
    return TenantName(tenant.appid, tenant.slug, tenant.name)


def _log(error: Exception) -> None:
    words = waiting_for(error) if isinstance(error, StoreError) else None
    log.warning(LogEvent("accounts cannot be changed in the store", error=words or type(error).__name__))
