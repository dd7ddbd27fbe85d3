"""Thread replies: history, mentions, and the names of a digest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.alerting.acknowledgements import ActionKind
from bot.alerting.episode import Episode, EpisodeState
from bot.blocks.channel.notifications import render
from bot.outbox.messages import MessageKind
from bot.ports import Message
from tests.conftest import NOW
from tests.episodes import (
    CONTEXT,
    DEADLINE,
    HOSTILE,
    MENTION,
    assert_fit,
    buttons,
    episode,
    leads,
    loud,
    problem,
    shown,
    user_action,
)
from tests.for_each import for_each
from tests.samples import dated

HOUR = timedelta(hours=1)
A_MESSAGE = 25  # of a digest's names
MEI = user_action("Mei")
CLOCK = "<!date^1795398780^{time}|01:53 UTC>"
MOMENT = "<!date^1795398780^{date_short_pretty} {time}|Mon 23 Nov 01:53 UTC>"


def reply(subject: Episode, **facts: object) -> Message:
    return render(MessageKind.REPLY, facts, [subject], None, CONTEXT)


def expiring(subject: Episode, lead: timedelta) -> Message:
    return reply(subject, kind="expiring", lead=int(lead.total_seconds()))


def names(*members: Episode) -> Message:
    return render(MessageKind.MEMBER_LIST, {}, members, None, CONTEXT)


@pytest.mark.parametrize(
    ("lead", "expected"),
    [
        (6 * HOUR, f"⏰ Less than 6 h left, {dated('until ', CLOCK)}."),
        (24 * HOUR, f"⏰ Less than 24 h left, {dated('until ', MOMENT)}."),
        (72 * HOUR, f"⏰ Less than 3 days left, {dated('until ', MOMENT)}."),
        (timedelta(minutes=90), f"⏰ Less than 90 min left, {dated('until ', CLOCK)}."),
    ],
)
def test_looser_lead_is_one_plain_reply(lead, expected):
    assert shown(expiring(episode(events=leads(24)), lead)) == [expected]


def test_reply_shows_its_own_lead_after_a_tighter_one_has_passed():
    assert shown(expiring(episode(events=leads(24, 6, 1)), 6 * HOUR))[0].startswith("⏰ Less than 6 h left")


def test_fallback_text_of_a_reply_names_the_account():
    assert expiring(episode(), 6 * HOUR).text == (
        "Expiring: Bo (bo@harbour_tea), less than 6 h left, until Mon 23 Nov 01:53 UTC. "
        "Ask bo•••le to accept the invitation in WeChat."
    )


def test_reply_about_the_smallest_lead_mentions_people():
    message = expiring(episode(kf_nick="小波"), HOUR)
    assert shown(message) == [
        f"⏰ *小波* · less than 1 h left, {dated('until ', CLOCK)}. Please ask bo•••le to accept in WeChat."
    ]
    assert message.text == (
        "Expiring: 小波 (bo@harbour_tea), less than 1 h left, until Mon 23 Nov 01:53 UTC. "
        "Ask bo•••le to accept the invitation in WeChat; after that a new one is needed."
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "expired",
            (
                "⌛ *Bo* · expired. bo•••le did not answer in time. "
                "Ask whether they still want to, then invite again in the WeChat console."
            ),
        ),
        (
            "rejected",
            (
                "⛔ *Bo* · rejected. bo•••le declined the invitation. "
                "Ask why, then invite again in the WeChat console."
            ),
        ),
    ],
)
def test_reply_about_a_problem_mentions_people(kind, expected):
    message = reply(episode(EpisodeState(kind)), kind=kind, lead=0)
    assert shown(message) == [expected]
    assert message.text.startswith(f"{kind.capitalize()}: Bo (bo@harbour_tea)")


@pytest.mark.parametrize(
    ("subject", "facts", "expected"),
    [
        (
            episode(kf_nick="小波"),
            {"kind": "expiring", "lead": 3600},
            (
                f"⏰ *小波* · less than 1 h left, {dated('until ', CLOCK)}. "
                f"{MENTION} please ask bo•••le to accept in WeChat."
            ),
        ),
        (
            episode(EpisodeState.REJECTED),
            {"kind": "rejected", "lead": 0},
            (
                f"⛔ *Bo* · rejected. {MENTION} bo•••le declined the invitation. "
                "Ask why, then invite again in the WeChat console."
            ),
        ),
        (
            episode(EpisodeState.REJECTED, acked=MEI),
            {"kind": "rejected", "lead": 0},
            (
                "⛔ *Bo* · rejected. bo•••le declined the invitation. "
                "Ask why, then invite again in the WeChat console."
            ),
        ),
    ],
)
def test_broadcast_reply_mentions_the_set_people(subject, facts, expected):
    context = replace(CONTEXT, mention=MENTION)
    message = render(MessageKind.REPLY, facts | {"call": True}, [subject], None, context, posting=True)
    assert shown(message) == [expected]
    assert MENTION not in message.text


def test_reminder_after_a_snooze_names_its_account_without_a_mention():
    context = replace(CONTEXT, mention=MENTION)
    facts = {"kind": "expiring", "lead": 6 * 3600, "call": True}
    message = render(
        MessageKind.REPLY, facts, [episode(kf_nick="小波", events=leads(24, 6))], None, context, posting=True
    )
    assert shown(message) == [
        f"⏰ *小波* · less than 6 h left, {dated('until ', CLOCK)}. Please ask bo•••le to accept in WeChat."
    ]


def test_last_reminder_before_quiet_hours_announces_them():
    ends = int((DEADLINE + HOUR).timestamp())
    message = reply(episode(kf_nick="小波"), kind="expiring", lead=19045, call=True, before_quiet=ends)
    assert shown(message) == [
        (
            f"⏰ *小波* · less than 5 h 18 min left, {dated('until ', CLOCK)}. "
            "Please ask bo•••le to accept in WeChat. "
            f"Quiet hours follow, <!date^{ends}^until {{time}}|until 02:53 UTC>."
        )
    ]
    assert message.text.endswith(" Quiet hours follow, until 02:53 UTC.")


def user_action_reply(deed: str, name: str, *members: Episode, **facts: object) -> Message:
    return render(MessageKind.REPLY, {"deed": deed, "name": name, **facts}, members, None, CONTEXT)


UNTIL = int((NOW + 4 * HOUR).timestamp())


@pytest.mark.parametrize(
    ("deed", "name", "facts", "expected"),
    [
        ("acknowledged", "Mei", {}, "👤 Acknowledged by Mei. No more reminders for this invitation."),
        (
            "acknowledged",
            "Mei",
            {"count": 58},
            "👤 Acknowledged by Mei. No more reminders for these 58 invitations.",
        ),
        ("snoozed", "Tom", {"until": UNTIL}, f"👤 Snoozed by Tom <!date^{UNTIL}^until {{time}}|until 05:12 UTC>."),
        ("snoozed", "Tom", {}, "👤 Snoozed by Tom."),
        ("unsnoozed", "Tom", {}, "👤 Tom undid the snooze."),
        ("unacknowledged", "Mei", {}, "👤 Mei undid the acknowledgement."),
        ("unacknowledged", "Mei", {"count": 6}, "👤 Mei undid the acknowledgement of 6 invitations."),
        ("unacknowledged", "<@U0MEI>", {}, "👤 ＜@U0MEI＞ undid the acknowledgement."),
        ("unacknowledged", "", {}, "👤 somebody undid the acknowledgement."),
    ],
)
def test_user_actions_are_plain_replies(deed, name, facts, expected):
    subject = episode(snoozed=user_action("Tom", at=NOW, until=NOW + 4 * HOUR))
    assert shown(user_action_reply(deed, name, subject, **facts)) == [expected]


def test_fallback_text_of_a_user_action_names_the_account():
    assert user_action_reply("acknowledged", "Mei", episode()).text == (
        "Acknowledged by Mei: Bo (bo@harbour_tea). No more reminders for this invitation."
    )
    assert user_action_reply("unsnoozed", "Tom", episode()).text == "Tom undid the snooze: Bo (bo@harbour_tea)."
    many = user_action_reply("acknowledged", "Mei", episode(), episode(name="anna"), count=2)
    assert many.text == "Acknowledged by Mei. No more reminders for these 2 invitations."


def test_end_of_a_snooze_without_a_known_start_names_the_day():
    day = f"<!date^{UNTIL}^until {{date_short_pretty}} {{time}}|until Mon 23 Nov 05:12 UTC>"
    for members in ([], [episode()], [episode(), episode(name="anna")]):
        assert shown(user_action_reply("snoozed", "Tom", *members, until=UNTIL)) == [f"👤 Snoozed by Tom {day}."]


@for_each("hostile", HOSTILE)
def test_odd_user_names_leave_the_reply_intact(hostile):
    for action in ActionKind:
        assert_fit(user_action_reply(action, hostile, until=UNTIL))
        assert_fit(user_action_reply(action, hostile, episode(kf_nick=hostile), until=UNTIL))


def test_mention_without_a_nickname_names_the_account():
    assert "*bo@harbour_tea*" in shown(expiring(episode(kf_nick=""), HOUR))[0]


def test_mention_without_a_deadline_leaves_it_out():
    message = expiring(episode(expires_at=None), HOUR)
    assert shown(message) == ["⏰ *Bo* · less than 1 h left. Please ask bo•••le to accept in WeChat."]


@for_each(
    ("subject", "expected"),
    [
        (
            episode(EpisodeState.BOUND, state_since=DEADLINE - timedelta(minutes=12)),
            "✅ Bound: bo•••le accepted, 12 min before the deadline.",
        ),
        (episode(EpisodeState.BOUND, invite_wx="", state_since=DEADLINE), "✅ Bound: the person accepted."),
        (
            episode(EpisodeState.REPLACED, successor_wx="bo_example", successor_expires_at=DEADLINE),
            f"✉️ Invited again: a new invitation went out to bo•••le, {dated('until ', MOMENT)}.",
        ),
        (episode(EpisodeState.CANCELLED), "⚪ Invitation withdrawn: it was withdrawn outside this bot."),
        (episode(EpisodeState.REMOVED), "➖ Removed: the account was removed from WeChat’s list."),
        (
            episode(EpisodeState.REJECTED, events=problem(EpisodeState.EXPIRED)),
            "⛔ Rejected: bo•••le declined the invitation. Ask why, then invite again in the WeChat console.",
        ),
        (
            episode(EpisodeState.EXPIRED),
            (
                "⌛ Expired: bo•••le did not answer in time. "
                "Ask whether they still want to, then invite again in the WeChat console."
            ),
        ),
        (
            episode(EpisodeState.WAITING, events=problem(EpisodeState.EXPIRED)),
            (
                f"✉️ Waiting again, {dated('until ', MOMENT)}: bo•••le has not answered yet. "
                "Ask them to accept the invitation in WeChat."
            ),
        ),
        (
            episode(EpisodeState.WAITING, expires_at=None),
            "✉️ Waiting again: bo•••le has not answered yet. Ask them to accept the invitation in WeChat.",
        ),
        (
            episode(EpisodeState.WAITING, events=leads(6)),
            (
                f"⏰ Waiting again, {dated('until ', MOMENT)}: bo•••le has not answered yet. "
                "Ask them to accept the invitation in WeChat."
            ),
        ),
    ],
)
def test_change_of_state_is_one_plain_reply(subject, expected):
    message = reply(subject, state=str(subject.state))
    assert shown(message) == [expected]
    assert not loud(message)
    assert buttons(message) == {}


def test_reply_stays_unchanged_when_the_episode_has_changed():
    members = reply(episode(EpisodeState.REMOVED), state="removed")
    assert reply(episode(EpisodeState.BOUND), state="removed") == members


@for_each("state", EpisodeState)
@for_each("hostile", HOSTILE)
def test_reply_escapes_foreign_text(state, hostile):
    subject = episode(
        state, account_key=hostile, kf_nick=hostile, kf_id=hostile, invite_wx=hostile, successor_wx=hostile + "x"
    )
    assert_fit(reply(subject, state=str(state)))
    assert_fit(reply(subject, kind="rejected", lead=0))
    assert_fit(expiring(subject, HOUR))
    assert_fit(expiring(subject, 6 * HOUR))


def test_names_are_one_a_line_with_their_current_state():
    message = names(
        episode(EpisodeState.REJECTED, "chen"),
        episode(EpisodeState.BOUND, kf_nick="小波"),
        episode(EpisodeState.REJECTED, "eve"),
    )
    assert shown(message) == ["⛔ Chen · chen@harbour_tea\n✅ 小波 · bo@harbour_tea\n⛔ Eve · eve@harbour_tea"]
    assert message.text == (
        "Rejected: Chen (chen@harbour_tea), Eve (eve@harbour_tea). Bound: 小波 (bo@harbour_tea)."
    )


def test_hundred_ordinary_names_fit_into_one_message():
    members = [
        episode(EpisodeState.REJECTED, f"kf{number:03}", kf_nick=f"客服 {number:03}") for number in range(100)
    ]
    message = names(*members)
    assert_fit(message)
    assert "\n".join(shown(message)).count("⛔") == 100


@for_each("hostile", HOSTILE)
@for_each("named", [True, False])
def test_hostile_names_of_one_message_are_all_shown(hostile, named):
    nick = hostile if named else ""
    members = [episode(EpisodeState.EXPIRED, account_key=hostile, kf_nick=nick, kf_id="2001")] * A_MESSAGE
    message = names(*members)
    assert_fit(message)
    assert "\n".join(shown(message)).count("⌛") == A_MESSAGE


@for_each("hostile", HOSTILE)
def test_names_beyond_the_limit_are_counted(hostile):
    members = [episode(EpisodeState.EXPIRED, account_key=hostile[:99], kf_nick=hostile[:99])] * 800
    message = names(*members)
    assert_fit(message)
    *listed, last = "\n".join(shown(message)).splitlines()
    assert len(listed) > 40
    assert last == f"and {800 - len(listed)} more"


def test_fallback_text_counts_the_names_that_it_leaves_out():
    message = names(*[episode(EpisodeState.EXPIRED)] * 200)
    assert message.text.endswith(f"Bo (bo@harbour_tea). And {200 - message.text.count('Bo')} more.")


@pytest.mark.parametrize("state", [EpisodeState.REJECTED, EpisodeState.EXPIRED])
def test_broadcast_reply_about_a_problem_links_to_the_console(state):
    members = episode(state)
    broadcast = render(MessageKind.REPLY, {"kind": state.value, "lead": 0, "call": True}, [members], None, CONTEXT)
    assert "link.console" in str(broadcast.blocks)
    reply = render(MessageKind.REPLY, {"kind": state.value, "lead": 0}, [members], None, CONTEXT)
    assert "link.console" not in str(reply.blocks)


def test_reminder_and_expiry_that_wechat_did_not_confirm_say_when_it_was_last_read():
    """What WeChat has answered, a rejection or a new deadline, needs no such line."""
    last, stale = NOW - timedelta(minutes=50), "WeChat did not answer; last confirmed Mon 23 Nov 00:22 UTC."
    for lead in (6 * HOUR, HOUR):
        reminder = expiring(episode(confirmed_at=last), lead)
        assert "WeChat did not answer; " in shown(reminder)[0]
        assert reminder.text.endswith(stale)
    assert reply(episode(EpisodeState.EXPIRED, confirmed_at=last), kind="expired", call=True).text.endswith(stale)
    assert stale not in reply(episode(EpisodeState.REJECTED, confirmed_at=last), kind="rejected", call=True).text
    assert stale not in reply(episode(confirmed_at=last), state="waiting").text
    assert stale not in expiring(episode(), HOUR).text
