"""Answers to administrators, who add, pause and resume Official Accounts from Slack."""

from __future__ import annotations

from collections.abc import Sequence

from bot import actions
from bot.blocks import builders, mentions
from bot.blocks.account_states import state_words
from bot.blocks.answers.fleet_rows import title_of
from bot.blocks.answers.guide import explained
from bot.blocks.answers.replies import MOST_NAMED
from bot.blocks.context import RenderContext
from bot.fleet_overview import TenantName
from bot.ports import Message
from bot.tenant_requests import Verb
from bot.tenant_states import TenantState
from bot.text import escape


def question(verb: Verb, tenant: TenantName, context: RenderContext) -> Message:
    """Ask whether an account is to be paused or resumed, with the button that does it."""
    name = escape(title_of(tenant))
    if verb is Verb.PAUSE:
        title = context.say("Pause {name}?", name=name)
        effect = context.say("It is not polled any more, and none of its alerts is posted. Its history stays.")
        do = context.say("Pause")
    else:
        title = context.say("Resume {name}?", name=name)
        effect = context.say("It is polled again, and its alerts are posted.")
        do = context.say("Resume")
    action_id = actions.PAUSE_TENANT if verb is Verb.PAUSE else actions.RESUME_TENANT
    sure = builders.confirm(do, effect, do, context.say("Cancel"))
    button = builders.button(do, action_id, f"v1:{tenant.appid}", confirm=sure)
    return Message(
        context.paragraph(title, effect), [builders.section(f"*{title}*\n{effect}"), builders.actions(button)]
    )


def changed(verb: Verb, tenant: TenantName, context: RenderContext) -> Message:
    """Confirm that an account was paused or resumed."""
    name = escape(title_of(tenant))
    done = context.say("{name} is paused.", name=name)
    if verb is Verb.RESUME:
        done = context.say("{name} is watched again.", name=name)
    return _plain(done, context.say("The bot takes it over within seconds."), context)


def kept_elsewhere(tenant: TenantName, context: RenderContext) -> Message:
    """Refuse to change an account of the file or the environment."""
    title = context.say("{name} cannot be changed from Slack.", name=escape(title_of(tenant)))
    why = context.say("It is kept in the settings of the bot, by whoever runs it: it is changed there.")
    return _plain(title, why, context)


def last_one(tenant: TenantName, context: RenderContext) -> Message:
    """Refuse to pause the only account."""
    title = context.say("{name} cannot be paused.", name=escape(title_of(tenant)))
    return _plain(
        title, context.say("It is the only Official Account that is watched: add another one first."), context
    )


def not_polled(tenant: TenantName, state: TenantState, context: RenderContext) -> Message:
    """Refuse to pause an account that is not polled because of its state, and show the next step."""
    title = context.say("{name} cannot be paused.", name=escape(title_of(tenant)))
    words = state_words(state, context)
    if words is None:
        return _plain(title, "", context)
    return _plain(title, context.paragraph(words.why, context.capitalized(words.next)), context)


def already(verb: Verb, tenant: TenantName, context: RenderContext) -> Message:
    """Answer a change that was made before."""
    if verb is Verb.PAUSE:
        said = context.say("{name} is paused already.", name=escape(title_of(tenant)))
    else:
        said = context.say("{name} was not paused.", name=escape(title_of(tenant)))
    return _plain(said, "", context)


def which_one(verb: Verb, context: RenderContext) -> Message:
    """Ask for the account that a command must name."""
    title = context.say("Which Official Account do you mean?")
    return _plain(title, context.say("Type {command}.", command=f"`/kf accounts {verb} @…`"), context)


def owner_link(link: str, context: RenderContext) -> Message:
    """Give the link with which an owner authorises the platform, and what the owner will see."""
    title = context.say("Send this link to the owner of the account")
    steps = [
        context.say("It works for 24 hours, for any number of accounts. Forward it in WeChat, or by e-mail."),
        context.say("The owner opens it, chooses the account, and confirms to WeChat that it may be managed."),
        context.say(
            "The page asks for customer service alone: permission set 6 for an Official Account, 19 for a Mini "
            "Program. It must stay selected."
        ),
        context.say("No AppSecret is needed. You get a message here when the account is added."),
    ]
    blocks = [
        builders.section(f"*{title}*\n```{escape(link)}```"),
        builders.section("\n".join(f"• {step}" for step in steps)),
    ]
    return Message(context.paragraph(context.say("{what}.", what=title), steps[0], escape(link)), blocks)


def no_platform(context: RenderContext) -> Message:
    """Answer that there is no third-party platform that an owner could authorise."""
    title = context.say("There is no third-party platform that an owner could authorise.")
    step = context.say(
        "Whoever runs the bot sets it up: PLATFORM_APPID and the settings beside it, as in {page}.",
        page="docs/platform.md",
    )
    return _plain(title, step, context)


def not_an_administrator(admins: Sequence[str], context: RenderContext) -> Message:
    """Refuse a person who may not change Official Accounts, and name those who may. No mention notifies."""
    if not admins:
        title = context.say("Nobody may do this from Slack yet.")
        step = context.say(
            "Whoever runs the bot names administrators in KF_ADMINS, or makes the link for an owner with "
            "{command}.",
            command="`python -m bot platform link`",
        )
        return _plain(title, step, context)
    people = context.some([mentions.mention(one) for one in admins], MOST_NAMED)
    title = context.say("Only some people may add and pause Official Accounts.")
    why = context.say("They are {people}.", people=people)
    step = context.say("Ask one of them, or whoever runs the bot (setting KF_ADMINS).")
    return _plain(title, context.paragraph(why, step), context)


def administrators_not_checked(context: RenderContext) -> Message:
    """Refuse a person while Slack does not answer who is in a group of KF_ADMINS."""
    title = context.say("Slack does not say who may add and pause Official Accounts.")
    return _plain(title, context.say("Please try again in a minute."), context)


def with_administration(guide: Message, context: RenderContext) -> Message:
    """Add the commands of administrators to the help."""
    commands = {
        "/kf accounts add": context.say("add an Official Account"),
        "/kf accounts pause @…": context.say("watch it no more"),
        "/kf accounts resume @…": context.say("watch it again"),
        "/kf accounts link": context.say("get the link with which an owner authorises the platform"),
    }
    text = context.say("{commands}: for administrators.", commands=context.series([*commands]))
    return Message(context.paragraph(guide.text, text), [*guide.blocks, explained(commands)])


def _plain(title: str, more: str, context: RenderContext) -> Message:
    return Message(context.paragraph(title, more), [builders.section(f"*{title}*\n{more}".rstrip())])
