"""The lines that the log of a process begins with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

from bot import __version__
from bot.fleet import Fleet
from bot.runtime.logs import LogEvent

log = logging.getLogger(__name__)


def log_start(fleet: Fleet, role: str, ignored: Sequence[str]) -> None:
    """Log what a process does, and what of its environment it does not use.

    Args:
        ignored: variables that are not used because of their values.
    """
    settings, store = fleet.shared.settings, fleet.shared.store
    log.info(
        LogEvent(
            "started",
            version=__version__,
            role=role,
            alerts="on" if store else "off",
            store=store.kind if store else "none",
            official_accounts=len(fleet.tenants) if fleet.is_several else None,
            commands="received" if fleet.shared.process.receives_commands else "not received",
            wechat=urlsplit(settings.wechat_api_url).hostname,
            proxy=urlsplit(settings.wechat_proxy_url).hostname or "none",
        )
    )
    if settings.on_dyno and store and store.kind == "SQLite":
        log.warning("the store is SQLite on a dyno: it does not survive a restart; add PostgreSQL (DATABASE_URL)")
    ambient = settings.ambient_proxy
    if settings.slack_proxy_url:
        log.warning(LogEvent("Slack's traffic goes through a proxy that is set", variables=ambient.variable))
    if unused := [*(problem.name for problem in ambient.unusable), *ignored]:
        log.warning(LogEvent("variables of the environment ignored", variables=", ".join(unused)))
