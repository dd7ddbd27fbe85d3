"""What the HTTP server of a process answers: commands, `/readyz`, `/metrics`, and the paths of a platform."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bot.fleet import Fleet
from bot.readiness import about_platform, problems_of_several, readiness
from bot.runtime.tasks import PeriodicTask
from bot.settings.values import Settings
from bot.web.front import Front, Handlers
from bot.web.guard import Dispatch
from bot.web.server import Readiness

if TYPE_CHECKING:
    from bot.web.platform_endpoint import OpenPush, PlatformHandlers


async def listen(front: Front, settings: Settings) -> None:
    """Accept requests, if this server does not yet. Those that need the accounts wait for them.

    Raises:
        CannotListenError: the address is in use, or not one of this machine.
    """
    await front.listen(
        settings.host,
        settings.port,
        signing_secret=settings.slack_signing_secret,
        takes_commands=not settings.slack_app_token,
        has_metrics=settings.alerts,
        open_push=_open_push(settings) if settings.has_platform else None,
    )


def make_handlers(fleet: Fleet, dispatch: Dispatch, of_platform: PeriodicTask | None) -> Handlers:
    """Build the handlers of requests.

    Args:
        dispatch: passes requests of Slack on.
        of_platform: the periodic work for the platform, which a push may wake; None without a platform.
    """
    return Handlers(
        partial(_readiness, fleet), dispatch, partial(_metrics, fleet), _platform_handlers(fleet, of_platform)
    )


async def _readiness(fleet: Fleet) -> Readiness:
    store, checked = fleet.shared.store, await fleet.check()
    first = fleet.first.tenant
    found = readiness([problem for tenant, problems in checked if tenant is first for problem in problems])
    if fleet.is_several:
        found = found._replace(problems=problems_of_several(checked))
    if fleet.platform:
        line = about_platform(fleet.platform, fleet.shared.clock())
        found = found._replace(problems=(*found.problems, line))
    opened = store is None or store.migrated
    return found if found.reason or opened else found._replace(reason="The database has not been opened yet.")


async def _metrics(fleet: Fleet) -> bytes:
    return fleet.shared.metrics.render(await fleet.figures())


def _open_push(settings: Settings) -> OpenPush:
    from wechat_kf.envelope import open_push  # most installations have no platform

    keys = settings.platform_aes_keys
    return partial(open_push, token=settings.platform_token, keys=keys, appid=settings.platform_appid)


def _platform_handlers(fleet: Fleet, of_platform: PeriodicTask | None) -> PlatformHandlers | None:
    if fleet.shared.platform is None or of_platform is None:
        return None
    from bot.platform_wiring import platform_handlers

    return platform_handlers(fleet.shared, fleet.shared.platform, of_platform)
