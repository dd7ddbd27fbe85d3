"""Slack's half: the bot token, its scopes, and what it reaches. Asks, and posts nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.doctor import places, refusals, responses
from bot.doctor.findings import Finding, Report, Time, Unset, unknown, well, wrong
from bot.manifest import scopes
from bot.ports import Clock, Later, Unknown
from bot.settings import Settings
from bot.slack import Client, Session, quiet_client
from bot.slack.calls import No
from bot.slack.rights import Bot, groups, room, who

SECONDS = 4.5  # for one request: the longest way has two, one after the other
ID = re.compile(r"[SUW][A-Z0-9]+")


async def examine(settings: Settings, unset: Unset, session: Session, clock: Clock) -> Report:
    """The bot token, and whatever it is good for."""
    if why := unset.why_not("Slack", "SLACK_BOT_TOKEN", "SLACK_API_URL"):
        return Report((why,))
    host = urlsplit(settings.slack_api_url).hostname or ""
    client = quiet_client(settings.slack_bot_token, settings.slack_api_url, session)
    began = clock()
    bot = await who(client, SECONDS)
    now = clock()
    if isinstance(bot, Later | Unknown):
        why_not = "Slack did not answer"
        checks = (responses.CHECK, "Slack token")
        left_out = [*(unknown(check, f"not checked: {why_not}") for check in checks), *_left_out(settings, why_not)]
        return Report((refusals.unreached(host, bot), *left_out), slack_reached=False)
    reached = well("Slack", f"{host} answers")
    if isinstance(bot, No):
        refused = refusals.of_token("Slack token", bot, "SLACK_BOT_TOKEN")
        answers = await responses.examine(settings, session)
        left_out = _left_out(settings, "the token is refused")
        return Report((reached, answers, refused, *left_out), slack_reached=True)
    works = well("Slack token", f"is that of @{bot.name} in the workspace {bot.team}")
    times = (Time("Slack", began, bot.served_at, now),) if bot.served_at else ()
    answers, around = await asyncio.gather(
        responses.examine(settings, session), _around(bot, settings, unset, client)
    )
    return Report((reached, answers, works, _scopes(bot), *around), times, slack_reached=True)


async def _around(bot: Bot, settings: Settings, unset: Unset, client: Client) -> list[Finding]:
    """The channel and the groups that settings name."""
    named, channel_id = _named(settings), settings.slack_alert_channel
    nowhere = unset.why_not(places.CHANNEL, "SLACK_ALERT_CHANNEL")
    has_groups = any(one.startswith("S") for ids in named.values() for one in ids)
    seen, known = await asyncio.gather(
        room(client, channel_id, SECONDS) if settings.alerts and not nowhere else _nothing(),
        groups(client, SECONDS) if has_groups else _nothing(),
    )
    findings = [nowhere] if nowhere else [places.channel(seen, channel_id, bot)] if seen else []
    for variable, ids in named.items():
        findings += places.called(variable, ids, known)
    return findings


def _scopes(bot: Bot) -> Finding:
    if bot.scopes is None:
        return unknown("Slack scopes", "not known: Slack did not say which the token has")
    wanted = scopes()
    missing = [scope for scope in wanted if scope not in bot.scopes]
    if not missing:
        return well("Slack scopes", f"all {len(wanted)} of the manifest")
    return wrong(
        "Slack scopes",
        f"missing: {', '.join(missing)}",
        "Slack app settings, OAuth & Permissions: add them under Bot Token Scopes, then install the app again. The "
        "README says what each is for.",
    )


def _named(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    """The IDs that settings name, by variable."""
    mentioned = tuple(ID.findall(settings.alert_mention)) if settings.alerts else ()
    named = {"ALERT_MENTION": mentioned, "KF_VIEWERS": settings.kf_viewers}
    return {variable: ids for variable, ids in named.items() if ids}


def _left_out(settings: Settings, why: str) -> list[Finding]:
    """What hangs on the token."""
    checks = ["Slack scopes", *([places.CHANNEL] if settings.alerts else []), *_named(settings)]
    return [unknown(check, f"not checked: {why}") for check in checks]


async def _nothing() -> None:
    """Stands for a question that need not be asked."""
