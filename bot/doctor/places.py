"""Where the bot posts and whom it calls: the alert channel, and the groups that settings name. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.doctor.findings import Finding, unknown, well, wrong
from bot.doctor.refusals import unanswered
from bot.ports import Later, Unknown
from bot.slack.calls import No
from bot.slack.rights import Bot, Group, Room

CHANNEL = "alert channel"

Groups = Mapping[str, Group] | No | Later | Unknown


def channel(seen: Room | No | Later | Unknown, channel_id: str, bot: Bot) -> Finding:
    """Whether alerts can be posted there, and read again."""
    if isinstance(seen, No) and seen.word == "channel_not_found":
        return wrong(
            CHANNEL,
            f"the bot sees no channel {channel_id} (channel_not_found)",
            f"If it is private, type /invite @{bot.name} in it. Otherwise set SLACK_ALERT_CHANNEL to an ID of the "
            f"workspace {bot.team}: the last line of the channel's details.",
        )
    if not isinstance(seen, Room):
        return unanswered(CHANNEL, seen)
    if not seen.name:
        return well(CHANNEL, f"{channel_id} is a direct message")
    place = f"#{seen.name} ({'private' if seen.is_private else 'public'})"
    if seen.is_archived:
        remedy = "Unarchive it, or set SLACK_ALERT_CHANNEL to another one."
        return wrong(CHANNEL, f"{place} is archived", remedy)
    if seen.is_member and seen.is_ext_shared:
        return well(
            CHANNEL,
            f"{place}: the bot is a member, and people of another company read along (Slack Connect)",
            "They see names and masked WeChat IDs. Buttons refuse them unless KF_VIEWERS names them.",
        )
    if seen.is_member:
        return well(CHANNEL, f"{place}: the bot is a member")
    if seen.is_private or (bot.scopes is not None and "chat:write.public" not in bot.scopes):
        remedy = f"Type /invite @{bot.name} in the channel."
        return wrong(CHANNEL, f"{place}: the bot is not a member, so it may not post there", remedy)
    return well(
        CHANNEL,
        f"{place}: the bot may post, but is no member and cannot read there",
        f"Type /invite @{bot.name} in the channel. Until then an alert whose reply is lost may come twice, and a "
        "lost database cannot be rebuilt.",
    )


def called(variable: str, ids: Sequence[str], known: Groups | None) -> list[Finding]:
    """What is known of the groups and the people that a setting names. `known` is None where no group is named."""
    people = [one for one in ids if not one.startswith("S")]
    groups = [one for one in ids if one.startswith("S")]
    findings = []
    if groups and isinstance(known, Mapping):
        findings += [_group(variable, one, known.get(one)) for one in groups]
    elif groups and isinstance(known, No) and known.word == "plan_upgrade_required":
        remedy = f"Name people in {variable} instead: their IDs begin with U or W."
        findings.append(wrong(variable, "user groups are not in this workspace's plan", remedy))
    elif groups and isinstance(known, No | Later | Unknown):
        findings.append(unanswered(variable, known))
    if people:
        findings.append(unknown(variable, f"not checked: {', '.join(people)} (people need the scope users:read)"))
    return findings


def _group(variable: str, group_id: str, group: Group | None) -> Finding:
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
