"""Build the handlers of what people do in Slack from the services of a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.blocks.context import RenderContext
from bot.execution.operation_runner import OperationRunner
from bot.execution.records import OperationRecords
from bot.interactions.access import OperatorPolicy
from bot.interactions.account_reader import AccountReader
from bot.interactions.administration import Administration
from bot.interactions.commands import CommandHandler
from bot.interactions.handler import InteractionHandler
from bot.interactions.history_reading import HistoryReader
from bot.interactions.home import HomePublisher
from bot.interactions.invitation_reader import InvitationReader
from bot.interactions.operation_forms import OperationForms
from bot.interactions.operation_gate import OperationGate
from bot.interactions.operation_modals import OperationModals
from bot.interactions.operation_submissions import OperationSubmissions
from bot.interactions.read_limit import ReadLimit
from bot.interactions.view_answers import ViewAnswers
from bot.interactions.watcher_calls import WatcherCalls
from bot.operations.operation import Operation, OperationPolicy
from bot.ports import Clock, Views
from bot.settings.values import Settings
from bot.slack.listeners import Interactions
from bot.store.database import Store
from bot.tenant_states import NotPolled
from bot.tenants.loading import DefinedAccounts
from bot.tenants.tenant import Tenant
from bot.wiring import Services, SharedServices


@dataclass(frozen=True, slots=True)
class InteractionServices:
    """The handler of interactions, and the runner of operations, which works without a person too."""

    handler: InteractionHandler
    runner: OperationRunner | None  # None without a store


def make_interactions(
    services: Services, views: Views, wake: Callable[[], None], notice_after: float
) -> InteractionServices:
    """Build the handlers of one Official Account.

    Args:
        views: shows modals and App Home.
        wake: starts the next step of each loop of this process at once.
        notice_after: seconds after which a read of WeChat is announced to the user.
    """
    settings, shared = services.settings, services.shared
    clock, tasks = shared.clock, shared.tasks
    reporter, channel = services.status_reporter, settings.slack_alert_channel
    context = services.context
    several = services.is_one_of_several
    watcher = WatcherCalls(services.store, tasks, clock, wake, is_one_of_several=several)
    state, invitations = services.tenant.state, InvitationReader(services.store)
    reader = AccountReader(
        services.accounts if state.is_polled else NotPolled(state),
        now=clock,
        policy=context.policy,
        owned=invitations.owned,
        on_good_read=watcher.poll_after_read,
        limit=ReadLimit() if several else None,
    )
    history = HistoryReader(services.store)
    answers = CommandHandler(
        reader,
        now=clock,
        context=context,
        channel=channel,
        status=reporter.status,
        newest_episode=invitations.newest,
        history=history.page,
        operations=history.operations,
        notice_after=notice_after,
    )
    policy = OperationPolicy.with_lease(timedelta(seconds=settings.alert_lease_seconds))
    gate = OperationGate(settings.kf_operators, shared.operators.allows, services.store, policy)
    forms = OperationForms(views, reader, gate, channel=channel, clock=clock, tasks=tasks)
    home = HomePublisher(
        views,
        reader,
        status=reporter.status,
        access=services.access,
        may_operate=shared.operators.people.include,
        readers=shared.readers,
        choices=shared.language_choices,
        tasks=tasks,
        context=context,
        clock=clock,
    )
    runner, submissions = _operations(services, views, reader, gate, home, context, wake)
    handler = InteractionHandler(
        answers,
        services.alert_actions,
        forms,
        submissions,
        home,
        ViewAnswers(views),
        gate=gate,
        access=services.access,
        membership=shared.membership,
        readers=shared.readers,
        watcher=watcher,
        context=context,
        clock=clock,
    )
    return InteractionServices(handler, runner)


def with_administration(
    others: Interactions,
    shared: SharedServices,
    tenants: Sequence[Tenant],
    defined: DefinedAccounts,
    store: Store,
) -> Interactions:
    """Put the commands of administrators before other handlers.

    Without KF_ADMINS only a platform has them, whose texts name them: their answer is then what to set.
    """
    if not (defined.settings.kf_admins or defined.settings.has_platform):
        return others
    admins = OperatorPolicy(defined.settings.kf_admins, shared.members, shared.membership)
    return Administration(
        others,
        tenants,
        defined,
        store.of("", ""),
        admins,
        shared.views,
        shared.readers,
        shared.clock,
        _owner_links(defined.settings, shared.clock),
    )


def _owner_links(settings: Settings, clock: Clock) -> Callable[[str], str] | None:
    """Return what makes the link for an owner, for the person who asks for it; None without a platform."""
    if not settings.has_platform:
        return None
    from bot.platform.links import make_link  # only a platform needs it

    return lambda user_id: make_link(settings, user_id, clock())


def _operations(
    services: Services,
    views: Views,
    reader: AccountReader,
    gate: OperationGate,
    home: HomePublisher,
    context: RenderContext,
    wake: Callable[[], None],
) -> tuple[OperationRunner | None, OperationSubmissions | None]:
    if services.store is None or services.recorder is None:
        return None, None

    records = OperationRecords(services.store, services.recorder, gate.policy)
    channel = services.settings.slack_alert_channel
    modals = OperationModals(
        views,
        reader,
        records,
        context=context,
        channel=channel,
        clock=services.shared.clock,
        policy=gate.policy,
        tasks=services.shared.tasks,
    )

    def changed(operation: Operation) -> None:
        reader.expire()
        modals.changed(operation)
        home.changed()
        wake()

    runner = OperationRunner(
        records,
        services.accounts,
        services.accounts,
        services.shared.clock,
        changed=changed,
        count=services.shared.metrics.count,
    )
    submissions = OperationSubmissions(
        modals,
        reader,
        gate,
        runner,
        services.store,
        channel=channel,
        clock=services.shared.clock,
        tasks=services.shared.tasks,
    )
    return runner, submissions
