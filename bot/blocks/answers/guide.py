"""What `/kf help` shows: all commands and the icons, or one command with an example."""

from __future__ import annotations

from collections.abc import Mapping

from bot import actions
from bot.alerting.episode import AccountStatus
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.times import lead_name
from bot.language import gettext_noop
from bot.ports import Block, Message
from bot.requests import Help
from bot.text import masked


def guide(context: RenderContext, topic: str = "", *, operations: bool = False, handle: str = "") -> Message:
    """Explain one command that needs a text, or all commands and the icons.

    Args:
        operations: accounts can be changed from here.
        handle: of an Official Account, as an example, where commands name one.
    """
    if topic:
        return _topic(topic, context)
    lead = lead_name(max(context.policy.leads), context)
    say = context.say
    commands = {
        "/kf": say("what needs attention now"),
        "/kf list": say("all accounts, ten a page"),
        "/kf rejected": say("one state, any word below"),
        "/kf find chen": say("name, account or WeChat ID"),
        "/kf show chen@harbour_tea": say("one account"),
        "/kf status": say("is the bot itself well"),
    }
    changes = {
        "/kf invite chen": say("invite a person"),
        "/kf add eve": say("add an account"),
        "/kf rename chen": say("change the name"),
        "/kf delete dee": say("delete, after a question"),
        "/kf history chen": say("who did what"),
    }
    several = {
        "/kf accounts": say("the Official Accounts, worst first"),
        f"/kf @{handle}": say("one of them, with any command below"),
        "/kf all rejected": say("one state, in all of them"),
    }
    states = {
        AccountStatus.EXPIRING: say("waiting, less than {lead} left", lead=lead),
        AccountStatus.REJECTED: say("the person declined"),
        AccountStatus.EXPIRED: say("nobody answered in time"),
        AccountStatus.WAITING: say("invited, no answer yet"),
        AccountStatus.IDLE: say("nobody bound, nobody invited"),
        AccountStatus.BOUND: say("in use by a person"),
    }
    masking = say(
        "Only you see the answers. In channels, WeChat IDs are hidden: {masked}", masked=masked("bo_example")
    )
    chinese = say("Chinese words work too: /kf 列表, /kf 待确认, /kf 查找 小波")
    blocks = [
        builders.header(say("What /kf can do")),
        *([explained(several)] if handle else []),
        explained(commands),
        *([explained(changes)] if operations else []),
        builders.section(
            "\n".join(
                f"{builders.ICONS[state]} *{context.state(state)}* – {means}" for state, means in states.items()
            ),
            expand=True,
        ),
        builders.context(masking),
        builders.context(chinese),
    ]
    text = say(
        "/kf shows what needs attention. /kf list: all accounts. "
        "/kf rejected, expired, expiring, waiting, idle, bound: one state. "
        "/kf find TEXT. /kf show ACCOUNT. /kf status: is the bot well. "
        "States: expiring, waiting with less than {lead} left; rejected, the person declined; "
        "expired, nobody answered in time; waiting, no answer yet; idle, nobody invited; bound, in use.",
        lead=lead,
    )
    change = say(
        "/kf invite ACCOUNT ID, /kf add ACCOUNT NAME, /kf rename ACCOUNT NAME, /kf delete ACCOUNT: each opens a "
        "window. /kf history ACCOUNT: who did what."
    )
    of_several = say(
        "/kf accounts: the Official Accounts. {command} and any of these: one of them. "
        "/kf all rejected: one state, in all of them.",
        command=f"/kf @{handle}",
    )
    added = (change if operations else "", of_several if handle else "", say("{what}.", what=chinese))
    return Message(context.paragraph(text, *added), blocks)


def explained(commands: Mapping[str, str]) -> Block:
    """List commands, each with what it shows or does."""
    return builders.section("\n".join(f"`{command}` – {does}" for command, does in commands.items()), expand=True)


_EXAMPLES = {
    "find": "/kf find chen",
    "show": "/kf show chen@harbour_tea",
    "rename": "/kf rename chen 夜班一号",
    "delete": "/kf delete dee",
}
_TOPICS = {
    "find": gettext_noop("{command} searches names, accounts, seat numbers and WeChat IDs, and any part of them."),
    "show": gettext_noop("{command} shows one account with all that is known of it."),
    "rename": gettext_noop("{command} opens a window to change the name of an account."),
    "delete": gettext_noop("{command} opens a window to delete an account, which must be typed there once more."),
}


def _topic(topic: str, context: RenderContext) -> Message:
    command = f"/kf {topic}"
    example = _EXAMPLES[topic]

    def does(command: str) -> str:
        return context.say(_TOPICS[topic], command=command)

    text = context.paragraph(does(command), context.say("For example: {example}", example=example))
    shown = context.say("For example: {example}", example=f"`{example}`")
    blocks = [
        builders.section(f"{does(f'*{command}*')}\n{shown}"),
        builders.actions(builders.button(context.say("Help"), actions.HELP, actions.encode(Help()))),
    ]
    return Message(text, blocks)
