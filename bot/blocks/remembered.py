"""An alert's account as the bot last knew it, while WeChat does not tell. For the eyes of one person."""

from __future__ import annotations

from bot import actions
from bot.blocks import kit, members
from bot.blocks.sentences import NEXT
from bot.blocks.text import account_of, escape, id_of, name_of
from bot.blocks.timeline import timeline
from bot.blocks.times import date, plain_date
from bot.blocks.troubles import Trouble
from bot.episodes import Episode, Seen
from bot.grammar import Show
from bot.ports import Message

GONE = "The account is no longer in WeChat’s list"


def remembered(episode: Episode, channel: str, why: Trouble | None) -> Message:
    """What the bot's own store tells, whole WeChat IDs included.

    Args:
        channel: the ID of the channel that was told; or "".
        why: WeChat's trouble; None when it answered, and lists the account no more.
    """
    title = why.title if why else GONE
    account, invited = account_of(episode.seat, episode.kf_id), id_of(episode.invite_wx)
    step = "" if episode.state.closed or why is None else NEXT[Seen(episode.state)]
    fields = [("Account", account), ("Invited", invited)]
    shown = [kit.field(name, escape(value)) for name, value in fields if value]
    deadline = members.deadline_of(episode)
    if deadline:
        shown.append(kit.field("Deadline", date(deadline)))
    said = [
        f"{title}, so this is what was known last.".replace("’", "'"),
        f"{members.state_words(episode).capitalize()}: {escape(name_of(episode.kf_nick))} ({escape(account)}).",
        f"Invited: {escape(invited)}." if invited else "",
        f"Deadline: {plain_date(deadline)}." if deadline else "",
    ]
    return Message(
        " ".join(filter(None, said)),
        [
            kit.header(f"{members.icon(episode)} {name_of(episode.kf_nick)} · {members.state_words(episode)}"),
            kit.section(
                f"{kit.TROUBLE} {title}, so this is what was known last." + (f"\n*Next:* {step}" if step else ""),
                fields=shown,
            ),
            kit.section(timeline(episode, channel), expand=True),
            kit.actions(kit.refresh(actions.encode(Show(actions.handle(episode.seat)))), kit.console()),
            kit.context(" · ".join([*(why.facts if why else ()), "only you see this, with whole WeChat IDs"])),
        ],
    )
