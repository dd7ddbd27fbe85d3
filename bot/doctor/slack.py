"""Checks of Slack: the bot token, its scopes, the alert channel and the user groups. Post nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from aiohttp import ClientSession
from slack_sdk.web.async_client import AsyncWebClient

from bot.doctor import responses, slack_errors
from bot.doctor.findings import Finding, Report, Time, Unset, unknown, well, wrong
from bot.doctor.slack_errors import unanswered
from bot.manifest import scopes
from bot.ports import Clock, OutcomeUnknown, RetryLater
from bot.settings.values import Settings
from bot.slack.error_codes import CHANNEL_NOT_FOUND, NO_USER_GROUPS
from bot.slack.web_api import ApiError, no_retry_client
from bot.slack.workspace import BotIdentity, ChannelInfo, UserGroupInfo, auth_test, channel_info, groups

SECONDS = 4.5  # for one request; a run makes at most two in a row
MOST_CHANNELS = 40  # Slack takes 50 requests for channels a minute
ID = re.compile(r"[SUW][A-Z0-9]+")
CHANNEL = "alert channel"
READER = "users:read"

Groups = Mapping[str, UserGroupInfo] | ApiError | RetryLater | OutcomeUnknown


async def examine(
    settings: Settings, unset: Unset, session: ClientSession, clock: Clock, accounts: Sequence[Settings]
) -> Report:
    """Check the bot token, then everything that it gives access to.

    Args:
        accounts: the settings of each Official Account, whose channels are checked once each; none if their file
            has mistakes.
    """
    if why := unset.why_not("Slack", "SLACK_BOT_TOKEN", "SLACK_API_URL"):
        return Report((why,))
    accounts = accounts or [settings]
    host = urlsplit(settings.slack_api_url).hostname or ""
    client = no_retry_client(settings.slack_bot_token, settings.slack_api_url, session)
    began = clock()
    bot = await auth_test(client, SECONDS)
    now = clock()
    if isinstance(bot, RetryLater | OutcomeUnknown):
        why_not = "Slack did not answer"
        checks = (responses.CHECK, "Slack token")
        left_out = [*(unknown(check, f"not checked: {why_not}") for check in checks), *_left_out(accounts, why_not)]
        return Report((slack_errors.unreached(host, bot), *left_out), slack_reached=False)
    reached = well("Slack", f"{host} answers")
    if isinstance(bot, ApiError):
        refused = slack_errors.of_token("Slack token", bot, "SLACK_BOT_TOKEN")
        answers = await responses.examine(settings, session)
        left_out = _left_out(accounts, "the token is refused")
        return Report((reached, answers, refused, *left_out), slack_reached=True)
    works = well("Slack token", f"is that of @{bot.name} in the workspace {bot.team}")
    times = (Time("Slack", began, bot.served_at, now),) if bot.served_at else ()
    answers, reachable = await asyncio.gather(
        responses.examine(settings, session), _channels_and_groups(bot, accounts, unset, client)
    )
    return Report((reached, answers, works, *_scopes(bot, settings), *reachable), times, slack_reached=True)


async def _channels_and_groups(
    bot: BotIdentity, accounts: Sequence[Settings], unset: Unset, client: AsyncWebClient
) -> list[Finding]:
    """Check the channels and the groups that settings name, each once."""
    named, channel_ids = _named(accounts), _channels(accounts)
    nowhere = unset.why_not(CHANNEL, "SLACK_ALERT_CHANNEL")
    has_groups = any(one.startswith("S") for ids in named.values() for one in ids)
    checked = [] if nowhere else channel_ids[:MOST_CHANNELS]
    infos, known = await asyncio.gather(
        asyncio.gather(*(channel_info(client, channel_id, SECONDS) for channel_id in checked)),
        groups(client, SECONDS) if has_groups else _nothing(),
    )
    findings = [nowhere] if nowhere else []
    findings += [channel(info, channel_id, bot) for info, channel_id in zip(infos, checked, strict=True)]
    if left := channel_ids[MOST_CHANNELS:]:
        findings.append(unknown(CHANNEL, f"not checked: {len(left)} more, because Slack limits the requests"))
    for variable, ids in named.items():
        findings += mentioned(variable, ids, known)
    return findings


def _channels(accounts: Sequence[Settings]) -> list[str]:
    """Return the alert channels of the accounts that post, each once."""
    ids = (one.slack_alert_channel for one in accounts if one.alerts)
    return list(dict.fromkeys(filter(None, ids)))


def _scopes(bot: BotIdentity, settings: Settings) -> list[Finding]:
    if bot.scopes is None:
        return [unknown("Slack scopes", "not known: Slack did not say which the token has")]
    wanted = scopes()
    missing = [scope for scope in wanted if scope not in bot.scopes]
    language = [_same_language(settings)] if READER in missing else []
    if needed := [scope for scope in missing if scope != READER]:
        remedy = (
            "Slack app settings, OAuth & Permissions: add them under Bot Token Scopes, then install the app again. "
            "The README says what each is for."
        )
        return [wrong("Slack scopes", f"missing: {', '.join(needed)}", remedy), *language]
    but = f" but {READER}" if language else ""
    return [well("Slack scopes", f"all {len(wanted)} of the manifest{but}"), *language]


def _same_language(settings: Settings) -> Finding:
    """Warn that no person is answered in a language of their own. The bot works without, so nothing is wrong."""
    return well(
        "language",
        f"answers are in KF_LANGUAGE ({settings.language}) for everybody: the scope {READER} is missing",
        "Slack app settings, OAuth & Permissions: add it under Bot Token Scopes, then install the app again.",
    )


def _named(accounts: Sequence[Settings]) -> Mapping[str, tuple[str, ...]]:
    """Return the IDs that the settings of the accounts name, by variable."""
    variables = ("ALERT_MENTION", "KF_VIEWERS", "KF_OPERATORS", "KF_ADMINS")
    named: dict[str, dict[str, None]] = {variable: {} for variable in variables}
    for settings in accounts:
        if settings.alerts:
            named["ALERT_MENTION"] |= dict.fromkeys(ID.findall(settings.alert_mention))
            named["KF_OPERATORS"] |= dict.fromkeys(settings.kf_operators)
            named["KF_ADMINS"] |= dict.fromkeys(settings.kf_admins)
        named["KF_VIEWERS"] |= dict.fromkeys(settings.kf_viewers)
    return {variable: tuple(ids) for variable, ids in named.items() if ids}


def _left_out(accounts: Sequence[Settings], why: str) -> list[Finding]:
    """Report the checks that need a valid token as skipped."""
    checks = ["Slack scopes", *([CHANNEL] if any(one.alerts for one in accounts) else []), *_named(accounts)]
    return [unknown(check, f"not checked: {why}") for check in checks]


async def _nothing() -> None:
    """Replace a request that is not needed."""


def channel(
    info: ChannelInfo | ApiError | RetryLater | OutcomeUnknown, channel_id: str, bot: BotIdentity
) -> Finding:
    """Report whether alerts can be posted to the channel, and read there."""
    if isinstance(info, ApiError) and info.code == CHANNEL_NOT_FOUND:
        return wrong(
            CHANNEL,
            f"the bot sees no channel {channel_id} ({CHANNEL_NOT_FOUND})",
            f"If it is private, type /invite @{bot.name} in it. Otherwise set SLACK_ALERT_CHANNEL to an ID of the "
            f"workspace {bot.team}: the last line of the channel's details.",
        )
    if not isinstance(info, ChannelInfo):
        return unanswered(CHANNEL, info)
    if not info.name:
        return well(CHANNEL, f"{channel_id} is a direct message")
    place = f"#{info.name} ({'private' if info.is_private else 'public'})"
    if info.is_archived:
        remedy = "Unarchive it, or set SLACK_ALERT_CHANNEL to another one."
        return wrong(CHANNEL, f"{place} is archived", remedy)
    if info.is_member and info.is_ext_shared:
        return well(
            CHANNEL,
            f"{place}: the bot is a member, and people of another company read along (Slack Connect)",
            "They see names and masked WeChat IDs. Buttons refuse them unless KF_VIEWERS or KF_OPERATORS names "
            "them.",
        )
    if info.is_member:
        return well(CHANNEL, f"{place}: the bot is a member")
    if info.is_private or (bot.scopes is not None and "chat:write.public" not in bot.scopes):
        remedy = f"Type /invite @{bot.name} in the channel."
        return wrong(CHANNEL, f"{place}: the bot is not a member, so it may not post there", remedy)
    return well(
        CHANNEL,
        f"{place}: the bot may post, but is no member and cannot read there",
        f"Type /invite @{bot.name} in the channel. Until then an alert whose reply is lost may come twice, and a "
        "lost database cannot be rebuilt.",
    )


def mentioned(variable: str, ids: Sequence[str], known: Groups | None) -> list[Finding]:
    """Report the groups and the people that a setting names. `known` is None without groups."""
    people = [one for one in ids if not one.startswith("S")]
    group_ids = [one for one in ids if one.startswith("S")]
    findings = []
    if group_ids and isinstance(known, Mapping):
        findings += [_group(variable, one, known.get(one)) for one in group_ids]
    elif group_ids and isinstance(known, ApiError) and known.code == NO_USER_GROUPS:
        remedy = f"Name people in {variable} instead: their IDs begin with U or W."
        findings.append(wrong(variable, "user groups are not in this workspace's plan", remedy))
    elif group_ids and isinstance(known, ApiError | RetryLater | OutcomeUnknown):
        findings.append(unanswered(variable, known))
    if people:
        findings.append(unknown(variable, f"not checked: {', '.join(people)} (people are not looked up)"))
    return findings


def _group(variable: str, group_id: str, group: UserGroupInfo | None) -> Finding:
    if group is None:
        remedy = f"Set {variable} to the ID of a group of this workspace: People, User groups, Copy group ID."
        return wrong(variable, f"there is no user group {group_id}", remedy)
    name = f"@{group.handle} ({group_id})"
    if group.is_disabled:
        return wrong(variable, f"the user group {name} is disabled", f"Enable it, or name another in {variable}.")
    if group.people == 0:
        return wrong(variable, f"nobody is in the user group {name}", "Add people to it.")
    count = "" if group.people is None else f", {group.people} {'person' if group.people == 1 else 'people'}"
    return well(variable, f"{name}{count}")
