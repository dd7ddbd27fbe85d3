"""An alert's account as the bot last knew it, while WeChat does not tell. For the eyes of one person."""

from __future__ import annotations

from bot import actions
from bot.blocks import builders
from bot.blocks.answers.timeline import timeline
from bot.blocks.channel import episode_text
from bot.blocks.channel.wording import NEXT
from bot.blocks.problems import Trouble
from bot.blocks.times import date, plain_date
from bot.episodes import Episode, Seen
from bot.grammar import Show
from bot.ports import Message
from bot.text import account_of, escape, id_of, name_of

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
    shown = [builders.field(name, escape(value)) for name, value in fields if value]
    deadline = episode_text.deadline_of(episode)
    if deadline:
        shown.append(builders.field("Deadline", date(deadline)))
    state = episode_text.state_words(episode)
    said = [
        f"{title}, so this is what was known last.".replace("’", "'"),
        f"{state.capitalize()}: {escape(name_of(episode.kf_nick))} ({escape(account)}).",
        f"Invited: {escape(invited)}." if invited else "",
        f"Deadline: {plain_date(deadline)}." if deadline else "",
    ]
    return Message(
        " ".join(filter(None, said)),
        [
            builders.header(
                f"{episode_text.icon(episode)} {name_of(episode.kf_nick)} · {episode_text.state_words(episode)}"
            ),
            builders.section(
                f"{builders.TROUBLE} {title}, so this is what was known last."
                + (f"\n*Next:* {step}" if step else ""),
                fields=shown,
            ),
            builders.section(timeline(episode, channel), expand=True),
            builders.actions(
                builders.refresh(actions.encode(Show(actions.handle(episode.seat)))), builders.console()
            ),
            builders.context(" · ".join([*(why.facts if why else ()), "only you see this, with whole WeChat IDs"])),
        ],
    )
