"""The summary at the end of quiet hours, and its edits."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

from bot.alerting.episode import AlertPolicy, Episode, EpisodeState
from bot.alerting.quiet_hours import QuietHours
from bot.blocks.channel.notifications import render
from bot.outbox.messages import MessageKind
from bot.ports import Message
from tests.conftest import NOW
from tests.episodes import (
    CLOSED,
    CONTEXT,
    DEADLINE,
    HOSTILE,
    MENTION,
    assert_fit,
    buttons,
    episode,
    leads,
    loud,
    mentions,
    shown,
    user_action,
)
from tests.for_each import for_each
from tests.samples import HOUR, LEADS, MINUTE, dated

ENDS = NOW
BEGINS = ENDS - 10 * HOUR
QUIET = QuietHours(time(22), time(8), ZoneInfo("Asia/Shanghai"))
QUIET_CONTEXT = replace(CONTEXT, policy=AlertPolicy(leads=LEADS, quiet=QUIET))
WINDOW = "Quiet hours, 22:00 to 08:00 Asia/Shanghai"
TOKEN = "<!date^1795398780^{date_short_pretty} {time}|Mon 23 Nov 01:53 UTC>"


def quiet_summary(*members: Episode, context=QUIET_CONTEXT, posting: bool = False, **held: list[str]) -> Message:
    facts: dict[str, Any] = {"begins": BEGINS.timestamp(), "ends": ENDS.timestamp(), "held": held}
    return render(MessageKind.QUIET_SUMMARY, facts, members, None, context, message_id="quiet-1", posting=posting)


def during(state: EpisodeState, name: str, **fields: Any) -> Episode:
    return episode(state, name, id=name, **{"state_since": ENDS - 3 * HOUR} | fields)


def since(subject: Episode, state: EpisodeState) -> Episode:
    return replace(subject, state=state, state_since=ENDS + MINUTE)


CHEN = during(EpisodeState.REJECTED, "chen", expires_at=None)
DEE = during(EpisodeState.EXPIRED, "dee")
LIN = during(EpisodeState.WAITING, "lin", kf_nick="林晓", events=leads(24, 6))
ANNA = during(EpisodeState.BOUND, "anna")
MOMO = during(EpisodeState.REPLACED, "momo")


def test_open_problems_come_before_resolved_ones():
    message = quiet_summary(
        LIN, ANNA, DEE, MOMO, CHEN, anna=["expiring", "expiring"], momo=["rejected"], chen=["rejected"]
    )
    assert loud(message)
    assert shown(message) == [
        "While it was quiet: 3 need attention",
        "⛔ *Chen* · rejected",
        (
            "chen@harbour_tea · invited ch•••le "
            "· <!date^1795385520^noticed {date_short_pretty} {time}|noticed Sun 22 Nov 22:12 UTC>"
        ),
        "⌛ *Dee* · expired",
        f"dee@harbour_tea · invited de•••le · {dated('deadline ', TOKEN)}",
        "⏰ *林晓* · less than 6 h left",
        f"lin@harbour_tea · invited li•••le · {dated('deadline ', TOKEN)}",
        "Came and went: Anna, expiring then bound; Momo, rejected then invited again",
        WINDOW,
    ]
    assert [block["type"] for block in message.blocks].count("divider") == 1
    assert buttons(message) == {"kf.list": "v1:list:1:due", "alert.ack": "v1:batch:quiet-1"}
    assert message.text == (
        "While it was quiet: 3 need attention. Rejected: Chen. Expired: Dee. Expiring: 林晓. "
        "Came and went: Anna, expiring then bound; Momo, rejected then invited again. "
        "Quiet hours, 22:00 to 08:00 Asia/Shanghai."
    )


def test_single_problem_is_in_the_singular():
    message = quiet_summary(CHEN, chen=["rejected"])
    assert shown(message)[0] == "While it was quiet: 1 needs attention"
    assert "divider" not in str(message.blocks)


def test_quiet_summary_lists_events_in_their_order():
    gone = during(EpisodeState.REMOVED, "anna")
    message = quiet_summary(CHEN, gone, anna=["expiring", "expired", "rejected"])
    assert "Came and went: Anna, expiring then expired then rejected then removed" in shown(message)


def test_invitation_with_time_again_needs_no_attention():
    back = during(EpisodeState.WAITING, "bo")
    assert shown(quiet_summary(back, bo=["expired"]))[0] == "While it was quiet: 1 still open"
    assert shown(quiet_summary(back, CHEN))[0] == "While it was quiet: 1 needs attention"


def test_episode_closed_after_the_summary_is_counted_separately():
    message = quiet_summary(CHEN, since(DEE, EpisodeState.REPLACED), LIN, ANNA, anna=["expiring"])
    assert loud(message)
    assert shown(message)[0] == "While it was quiet: 2 still open"
    assert shown(message)[-3:] == ["Came and went: Anna, expiring then bound", "✉️ Invited again: Dee", WINDOW]
    assert "Invited again: Dee." in message.text


def test_episode_closed_at_the_end_of_quiet_hours_does_not_count_as_during_them():
    assert "✅ Bound: Anna" in shown(quiet_summary(CHEN, replace(ANNA, state_since=ENDS)))


def test_quiet_summary_without_open_problems_is_one_calm_line():
    message = quiet_summary(ANNA, anna=["expiring"])
    assert not loud(message)
    assert buttons(message) == {}
    assert shown(message) == [
        "✅ *While it was quiet, all was settled.*",
        "Came and went: Anna, expiring then bound",
        WINDOW,
    ]
    assert message.text == (
        "While it was quiet, all was settled. Came and went: Anna, expiring then bound. "
        "Quiet hours, 22:00 to 08:00 Asia/Shanghai."
    )


def test_quiet_summary_turns_calm_when_all_episodes_are_closed():
    message = quiet_summary(since(CHEN, EpisodeState.BOUND), since(DEE, EpisodeState.BOUND))
    assert shown(message) == ["✅ *While it was quiet, all was settled.*", "✅ Bound: Dee, Chen", WINDOW]


def test_quiet_summary_counts_problems_beyond_ten():
    rejected = [replace(CHEN, id=f"c{n}", kf_nick=f"C {n}", expires_at=DEADLINE + n * MINUTE) for n in range(12)]
    gone = [replace(ANNA, id=f"a{n}", kf_nick=f"A {n}", expires_at=DEADLINE + n * MINUTE) for n in range(13)]
    message = quiet_summary(*rejected, DEE, *gone)
    assert len([text for text in shown(message) if text.startswith("⛔ *")]) == 10
    assert "3 more: 2 rejected, 1 expired" in shown(message)
    came = next(text for text in shown(message) if text.startswith("Came and went: A 0, bound; A 1, bound; "))
    assert came.endswith("; A 9, bound and 3 more")


def test_acknowledged_quiet_summary_is_calm():
    message = quiet_summary(*(replace(one, acked=user_action(batch="quiet-1")) for one in (CHEN, DEE)), ANNA)
    assert not loud(message)
    assert shown(message)[0] == "*While it was quiet: 2 need attention*"
    assert shown(message)[-2].startswith("👤 Acknowledged by <@U0MEI><!date^")
    assert buttons(message) == {"kf.list": "v1:list:1:due", "alert.undo": "v1:batch:quiet-1"}
    assert "Acknowledged by Mei, Mon 23 Nov 00:47 UTC." in message.text


def test_quiet_summary_does_not_undo_acknowledgements_made_elsewhere():
    message = quiet_summary(*(replace(one, acked=user_action()) for one in (CHEN, DEE)), ANNA)
    assert shown(message)[-2].startswith("👤 Acknowledged by <@U0MEI><!date^")
    assert buttons(message) == {"kf.list": "v1:list:1:due"}


def test_quiet_summary_with_urgent_problems_mentions_people_when_posted():
    context = replace(QUIET_CONTEXT, mention=MENTION)
    assert shown(quiet_summary(CHEN, context=context, posting=True))[1] == f"{MENTION} please take a look."
    assert mentions(quiet_summary(LIN, context=context, posting=True)) == []
    assert mentions(quiet_summary(ANNA, context=context, posting=True)) == []


def test_quiet_summary_without_quiet_hours_in_force_has_dates():
    message = quiet_summary(CHEN, context=CONTEXT)
    assert shown(message)[-1] == (
        "Quiet hours<!date^1795360320^, {date_short_pretty} {time}|, Sun 22 Nov 15:12 UTC> "
        "<!date^1795396320^to {date_short_pretty} {time}|to Mon 23 Nov 01:12 UTC>"
    )
    assert message.text.endswith(" Quiet hours, Sun 22 Nov 15:12 UTC to Mon 23 Nov 01:12 UTC.")


@for_each("hostile", HOSTILE)
@for_each("named", [True, False])
@for_each("number", [1, 10, 80])
def test_last_known_details_escape_foreign_text(hostile, named, number):
    states = [EpisodeState.REJECTED, EpisodeState.EXPIRED, EpisodeState.WAITING, *CLOSED]
    members = [
        episode(
            states[index % 7],
            id=f"{index:012x}",
            account_key=hostile,
            kf_nick=hostile if named else "",
            kf_id=hostile,
            invite_wx=hostile,
            events=leads(1),
            state_since=ENDS + (HOUR if index % 2 else -HOUR),
        )
        for index in range(number)
    ]
    held = {one.id: ["expiring", "expired", "rejected"] for one in members}
    context = replace(QUIET_CONTEXT, mention=MENTION)
    assert_fit(quiet_summary(*members, context=context, posting=True, **held), may_mention={MENTION})
    taken = (replace(one, acked=user_action(hostile, user_id=str(index))) for index, one in enumerate(members))
    assert_fit(quiet_summary(*taken, context=CONTEXT, **held))
    assert_fit(quiet_summary(*(since(one, CLOSED[index % 4]) for index, one in enumerate(members)), **held))
