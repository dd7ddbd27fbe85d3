"""Answers without data: refusals, a corrected command, and replies to buttons and restarts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot import actions
from bot.alerting.acknowledgements import ActionKind
from bot.alerting.episode import Episode, UserAction
from bot.blocks import builders, mentions
from bot.blocks.context import RenderContext
from bot.blocks.times import near
from bot.ports import Message
from bot.text import TYPED, clean, escape

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A command that may have been meant, and the button that runs it."""

    words: str  # after `/kf`, as typed
    action_id: str
    value: str


def out_of_date(context: RenderContext) -> Message:
    """Answer a click that cannot be decoded, or whose message the store no longer knows."""
    text, shown = (
        context.say("This button is out of date. {command} shows the present state.", command=command)
        for command in ("/kf", "*/kf*")
    )
    return Message(text, [builders.section(shown)])


def restarting(context: RenderContext) -> Message:
    text = context.say("The bot is restarting, please repeat.")
    return Message(text, [builders.section(text)])


def reading(context: RenderContext) -> Message:
    """Announce an answer that waits for WeChat."""
    text = context.say("Reading WeChat…")
    return Message(text, [builders.context(text)])


def failed(context: RenderContext) -> Message:
    """Answer a request that raised an error which nothing else handles."""
    return _trouble(
        context,
        context.say("This could not be answered"),
        context.say("The fault is in the bot, not at WeChat."),
        context.say("try again; if it stays, give the time to whoever runs the bot: its log has more."),
        context.say(
            "This could not be answered. The fault is in the bot, and its log has the reason. Please try again."
        ),
    )


def admission_not_checked(context: RenderContext) -> Message:
    """Refuse a user while Slack does not answer who is in a group of KF_VIEWERS."""
    text = context.say("Slack does not say who may use /kf. Please try again in a minute.")
    return _trouble(context, *admission_not_checked_words(context), text)


def admission_not_checked_words(context: RenderContext) -> tuple[str, str, str]:
    """Write the title, the reason and the next step of that refusal."""
    return (
        context.say("Slack does not say who may use /kf"),
        context.say("It did not name a user group's members."),
        context.say(
            "try again in a minute. If it stays, tell whoever runs this bot: its log has Slack's reason (setting "
            "KF_VIEWERS)."
        ),
    )


def not_a_member(context: RenderContext) -> Message:
    """Refuse the click of a user of another workspace."""
    return _trouble(
        context,
        context.say("This button is for members of the bot's own workspace"),
        context.say("Slack does not report you as one of them: this channel is shared with other workspaces."),
        context.say("ask one of them, or the person who runs this bot, to name you (setting KF_VIEWERS)."),
        context.say(
            "This button is for members of the bot's own workspace, and Slack does not report you as one of them. "
            "Ask one of them, or the person who runs this bot, to name you (KF_VIEWERS)."
        ),
    )


def membership_not_checked(context: RenderContext) -> Message:
    """Refuse a click while Slack does not answer whether the user belongs to the workspace."""
    return _trouble(
        context,
        context.say("Slack does not say whether you belong to the bot's workspace"),
        "",
        context.say(
            "try again in a minute. If it stays, tell the person who runs this bot: its log has Slack's reason."
        ),
        context.say("Slack does not say whether you belong to the bot's workspace. Please try again in a minute."),
    )


def database_away(context: RenderContext) -> Message:
    """Refuse an action that the store cannot record."""
    return _trouble(
        context,
        context.say("The database does not answer"),
        "",
        context.say("try again in a minute; {command} says when it is back.", command="*/kf status*"),
        context.say("The database does not answer. Please try again in a minute."),
    )


def no_accounts(context: RenderContext) -> Message:
    """Answer while no owner has authorised the third-party platform."""
    text = context.say(
        "No account has authorised the platform yet: {command} gives the link for its owner.",
        command="`/kf accounts link`",
    )
    return Message(context.plain(text), [builders.section(text)])


def _trouble(context: RenderContext, title: str, why: str, step: str, text: str) -> Message:
    heading = f"{builders.TROUBLE} *{title}*" + (f"\n{why}" if why else "")
    return Message(text, [builders.section(heading), builders.section(f"*{context.say('Next:')}* {step}")])


def corrected(words: str, message: Message, context: RenderContext) -> Message:
    """Put above an answer which command it belongs to, since another word was typed."""
    command = escape(f"/kf {clean(words, TYPED)}")
    text, shown = (
        context.say("Showing {command}", command=command),
        context.say("Showing {command}", command=f"*{command}*"),
    )
    return Message(
        context.paragraph(context.say("{what}.", what=text), message.text),
        [builders.context(shown), *message.blocks],
    )


def not_admitted(viewers: Sequence[str], context: RenderContext) -> Message:
    """Refuse a user who may not use /kf, and name those who may. Only this user sees it, so no mention notifies."""
    people = context.some([mentions.mention(id_) for id_ in viewers], MOST_NAMED)
    title = context.say("{command} is not open to everybody here", command="*/kf*")
    step = context.say("ask one of them, or whoever runs this bot, to add you (setting KF_VIEWERS).")
    blocks = [
        builders.section(f"{title}\n{context.say('It is for {people}.', people=people)}"),
        builders.section(f"*{context.say('Next:')}* {step}"),
    ]
    text = context.say(
        "/kf is for {people}. Ask one of them, or whoever runs this bot, to add you (KF_VIEWERS).", people=people
    )
    return Message(text, blocks)


def carried_out(kind: ActionKind, changed: Sequence[Episode], context: RenderContext) -> Message:
    """Confirm a click that the channel does not show, because Slack no longer allows edits of the message."""
    words, text = (_what_was_done(kind, changed, one) for one in (context, context.as_text))
    return Message(text, [builders.section(words)])


def _what_was_done(kind: ActionKind, changed: Sequence[Episode], context: RenderContext) -> str:
    action = changed[0].snoozed
    match kind:
        case ActionKind.ACKNOWLEDGED:
            return context.say("Acknowledged. No more reminders for this invitation.")
        case ActionKind.SNOOZED if action and action.until:
            return context.say("Snoozed until {when}.", when=near(action.until, action.at, context))
        case ActionKind.UNSNOOZED:
            return context.say("The snooze is undone.")
    return context.say("The acknowledgement is undone.")


def unchanged(action_id: str, found: Sequence[Episode], user_id: str, context: RenderContext) -> Message:
    """Explain why a click changed nothing: another click was earlier, perhaps the user's own, or it is too late."""
    words, text = (_why_unchanged(action_id, found, user_id, one) for one in (context, context.as_text))
    return Message(text, [builders.section(words)])


def _why_unchanged(action_id: str, found: Sequence[Episode], user_id: str, context: RenderContext) -> str:
    waiting = [episode for episode in found if not episode.state.closed]
    if not waiting:
        return context.say("This is settled, and needs nobody any more.")
    if action_id == actions.UNDO:
        return context.say("There is nothing to undo any more.")
    if action := next((episode.acked for episode in waiting if episode.acked), None):
        if _is_own(action, user_id):
            return context.say("You have acknowledged this already.")
        name = mentions.plain_name(action.name, context)
        return context.say("{name} has acknowledged this already.", name=name)
    action = next((episode.snoozed for episode in waiting if episode.snoozed), None)
    if action and action.until:
        when = near(action.until, action.at, context)
        if _is_own(action, user_id):
            return context.say("You have snoozed this until {when}.", when=when)
        name = mentions.plain_name(action.name, context)
        return context.say("{name} has snoozed this until {when}.", name=name, when=when)
    return context.say("This cannot be snoozed any more: no later reminder is left to postpone.")


def _is_own(action: UserAction, user_id: str) -> bool:
    return bool(user_id) and action.user_id == user_id
