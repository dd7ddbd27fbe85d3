"""A digest and the summary of the first run: as designed, after changes of their members, and when all are over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.alerting.episode import Episode, EpisodeState
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
    drawn,
    episode,
    fields_of,
    leads,
    loud,
    mentions,
    shown,
    user_action,
)
from tests.for_each import for_each

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NOTICED = NOW.timestamp()
NOTICED_LINE = "<!date^1795396320^Noticed {date_short_pretty} {time}|Noticed Mon 23 Nov 01:12 UTC>"
ONE_CAUSE = (
    "So many at once usually has one cause, for example a change in the WeChat console. "
    "Every account is named in the thread."
)
BEFORE = (
    "These were here before the first look, so they come together and once. "
    "From now on each change gets its own message."
)

DRAWN = ("Chen", "夜班一号", "Momo", "王芳", "Jia", "客服 08", "Fan", "午班", "Eve", "陈师傅")
REST = tuple(f"kf{number:02}" for number in range(48))


def in_turn(state: EpisodeState, nicks: Sequence[str]) -> list[Episode]:
    """Return episodes whose deadlines follow each other."""
    return [
        episode(state, f"{state}{number}", kf_nick=nick, expires_at=DEADLINE + number * MINUTE)
        for number, nick in enumerate(nicks)
    ]


REJECTED = in_turn(EpisodeState.REJECTED, DRAWN + REST)
EXPIRED = in_turn(EpisodeState.EXPIRED, ("Dee", "客服 31"))
SIXTY = [*EXPIRED, *REJECTED]


def digest(*members: Episode) -> Message:
    return render(MessageKind.DIGEST, {"noticed": NOTICED}, members, None, CONTEXT, message_id="5d31c8")


def moved(subject: Episode, state: EpisodeState) -> Episode:
    return replace(subject, state=state, state_since=NOW + MINUTE)


def test_digest_matches_its_design():
    assert fields_of(digest(*SIXTY)) == drawn("digest")


def test_digest_counts_its_open_members():
    settled = [moved(one, EpisodeState.REPLACED) for one in REJECTED[:15]]
    settled += [moved(one, EpisodeState.BOUND) for one in REJECTED[15:19]]
    message = digest(*settled, *REJECTED[19:], *EXPIRED)
    assert loud(message)
    assert shown(message)[0] == "60 at once: 41 still open"
    assert shown(message)[1].startswith("⛔ *Rejected*\nkf09, kf10, ")
    assert shown(message)[1].endswith(" and 29 more")
    assert shown(message)[3:] == [
        "✅ Bound: kf05, kf06, kf07, kf08",
        "✉️ Invited again: Chen, 夜班一号, Momo, 王芳, Jia, 客服 08, Fan, 午班, Eve, 陈师傅 and 5 more",
        ONE_CAUSE,
        NOTICED_LINE,
    ]
    assert message.text == (
        "60 invitations changed at once; 41 still open: 39 rejected, 2 expired. "
        "Rejected: kf09, kf10, kf11 and 36 more. One cause is likely. Every account is named in the thread."
    )


def test_digest_goes_calm_when_all_is_settled():
    message = digest(
        *(moved(one, EpisodeState.REMOVED) for one in REJECTED),
        *(moved(one, EpisodeState.BOUND) for one in EXPIRED),
    )
    assert not loud(message)
    assert buttons(message) == {}
    assert shown(message) == [
        "✅ *60 at once: all settled*",
        "✅ Bound: Dee, 客服 31",
        "➖ Removed: Chen, 夜班一号, Momo, 王芳, Jia, 客服 08, Fan, 午班, Eve, 陈师傅 and 48 more",
        NOTICED_LINE,
    ]
    assert message.text == (
        "60 invitations changed at once; all settled: 2 bound, 58 removed. Every account is named in the thread."
    )


def test_digest_counts_by_priority_and_current_state():
    soon = [episode(kf_nick=f"Soon {number}", events=leads(1)) for number in range(3)]
    later = [episode(kf_nick=f"Later {number}", events=leads(6)) for number in range(4)]
    back = [episode(kf_nick=f"Back {number}") for number in range(2)]
    message = digest(*back, *later, *EXPIRED, *soon, *REJECTED[:5])
    assert shown(message)[0] == "16 at once: 7 expiring, 5 rejected, 2 expired, 2 waiting"
    assert shown(message)[1].startswith("⏰ *Expiring*\nSoon 0, Soon 1, Soon 2, Later 0")


def test_digest_opens_the_list_of_everything_that_needs_attention():
    assert buttons(digest(*EXPIRED, *REJECTED[:1]))["kf.list"] == "v1:list:1:due"


def taken(subject: Episode, name: str = "Mei", minutes: int = 25, batch: str = "") -> Episode:
    return replace(subject, acked=user_action(name, at=NOW - minutes * MINUTE, batch=batch))


def question(message: Message) -> tuple[str, str]:
    parts = [part for block in message.blocks if block["type"] == "actions" for part in block["elements"]]
    confirm = next(part["confirm"] for part in parts if part["action_id"] == "alert.ack")
    return confirm["title"]["text"], confirm["text"]["text"]


def test_acknowledge_all_asks_for_confirmation_with_a_count():
    open_ones = [moved(REJECTED[0], EpisodeState.BOUND), taken(REJECTED[1]), taken(REJECTED[2]), *REJECTED[3:6]]
    message = digest(*open_ones)
    assert loud(message)
    assert buttons(message) == {"kf.list": "v1:list:1:due", "alert.ack": "v1:batch:5d31c8"}
    assert question(message) == (
        "Acknowledge 3?",
        "Reminders for these 3 invitations stop. Later changes still show here.",
    )
    assert "👤" not in str(message)


def test_acknowledge_all_of_one_member_is_in_the_singular():
    assert question(digest(taken(REJECTED[0]), REJECTED[1])) == (
        "Acknowledge 1?",
        "Reminders for this invitation stop. Later changes still show here.",
    )


def test_acknowledged_digest_is_calm():
    message = digest(*(taken(one, batch="5d31c8") for one in SIXTY[:-1]), moved(SIXTY[-1], EpisodeState.BOUND))
    assert not loud(message)
    assert shown(message)[0] == "*60 at once: 59 still open*"
    assert shown(message)[-2:] == [
        "👤 Acknowledged by <@U0MEI><!date^1795394820^, {date_short_pretty} {time}|, Mon 23 Nov 00:47 UTC>",
        NOTICED_LINE,
    ]
    assert buttons(message) == {"kf.list": "v1:list:1:due", "alert.undo": "v1:batch:5d31c8"}
    assert message.text.endswith(
        " Every account is named in the thread. Acknowledged by Mei, Mon 23 Nov 00:47 UTC."
    )


@pytest.mark.parametrize(
    ("batches", "offered"),
    [
        (["5d31c8", "", ""], True),
        (["", "", ""], False),
        (["other", "other", ""], False),
    ],
)
def test_digest_undoes_only_the_actions_of_its_own_button(batches, offered):
    members = [taken(one, batch=batch) for one, batch in zip(REJECTED, batches, strict=False)]
    message = digest(*members)
    assert ("alert.undo" in buttons(message)) is offered
    assert "alert.ack" not in buttons(message)
    assert any(text.startswith("👤 Acknowledged by ") for text in shown(message))


def test_closed_members_leave_nothing_to_undo():
    message = digest(moved(taken(REJECTED[0], batch="5d31c8"), EpisodeState.BOUND), taken(REJECTED[1]))
    assert buttons(message) == {"kf.list": "v1:list:1:due"}


def test_digest_without_an_id_offers_no_undo():
    message = render(MessageKind.DIGEST, {"noticed": NOTICED}, [taken(one) for one in REJECTED[:3]], None, CONTEXT)
    assert "alert.undo" not in buttons(message)


def soon(number: int, *hours: float) -> list[Episode]:
    return [episode(kf_nick=f"Soon {each}", events=leads(*hours)) for each in range(number)]


def test_fallback_text_of_urgent_reminders_has_the_deadline():
    until = "less than 1 h left, until Mon 23 Nov 01:53 UTC"
    assert digest(*soon(6, 24, 1)).text == (
        f"6 invitations changed at once: 6 expiring. Expiring: Soon 0 ({until}), Soon 1 ({until}), "
        f"Soon 2 ({until}), Soon 3 ({until}), Soon 4 ({until}), Soon 5 ({until})."
    )
    assert "Expiring: Soon 0, Soon 1, Soon 2, Soon 3, Soon 4, Soon 5." in digest(*soon(6, 24)).text
    assert "Expiring: Soon 0, Soon 1, Soon 10 and 9 more." in digest(*soon(12, 24)).text


@pytest.mark.parametrize(
    ("members", "likely"),
    [
        (soon(12, 24), False),
        ([*soon(12, 24), *REJECTED[:11]], False),
        ([*soon(10, 24), *REJECTED[:11]], True),
        ([*REJECTED[:9], *EXPIRED[:2]], False),  # many, and not equal
        ([*REJECTED[:11], *(moved(one, EpisodeState.BOUND) for one in REJECTED[11:13])], True),
        # Reminders that ran out each by itself, and what of them is left in the end.
        ([moved(one, EpisodeState.EXPIRED) for one in soon(12, 24)], False),
        ([*(moved(one, EpisodeState.BOUND) for one in soon(11, 24)), REJECTED[0]], False),
    ],
)
def test_common_cause_is_suggested_only_when_many_accounts_share_a_new_problem(members, likely):
    message = digest(*members)
    assert (ONE_CAUSE in shown(message)) is likely
    assert ("Every account is named in the thread." in shown(message)) is not likely
    assert ("One cause is likely." in message.text) is likely
    assert "Every account is named in the thread." in message.text


def test_digest_with_a_row_for_each_member_has_no_names_in_its_thread():
    message = digest(*REJECTED[:10])
    assert "thread" not in str(message)
    assert "cause" not in str(message)


def test_masked_id_that_two_people_share_is_left_out():
    members = [episode(kf_nick=f"Kf {one}", invite_wx=f"kf{one}_example", events=leads(24)) for one in (1, 2)]
    message = digest(*members, episode(kf_nick="小波", invite_wx="bo_1990xyz", events=leads(24)))
    assert "kf•••le" not in str(message.blocks)
    assert "invited bo•••yz" in str(message.blocks)


def test_digest_names_the_newest_three_users_who_acknowledged_once_each():
    people = [("Mei", 30), ("Tom", 20), ("Mei", 10), ("Ada", 40), ("Zoe", 50)]
    message = digest(*(taken(one, *person) for one, person in zip(REJECTED, people, strict=False)))
    hands = [text.split("<!date")[0] for text in shown(message) if text.startswith("👤")]
    assert hands == [f"👤 Acknowledged by <@U0{name}>" for name in ("MEI", "TOM", "ADA")]
    assert "Mon 23 Nov 01:02 UTC" in str(message.blocks)


def test_posted_digest_shows_user_names_and_mentions_the_set_people():
    context = replace(CONTEXT, mention=MENTION)
    urgent = render(MessageKind.DIGEST, {"noticed": NOTICED}, SIXTY, None, context, posting=True)
    assert shown(urgent)[1] == f"{MENTION} please take a look."
    calm = render(
        MessageKind.DIGEST, {"noticed": NOTICED}, [taken(one) for one in SIXTY], None, context, posting=True
    )
    assert "👤 Acknowledged by Mei<!date" in str(calm)
    assert mentions(calm) == []


def test_up_to_ten_members_of_a_digest_are_rows():
    members = [*EXPIRED, *REJECTED[:7], moved(REJECTED[7], EpisodeState.BOUND)]
    message = digest(*members)
    assert shown(message)[0] == "10 at once: 9 still open"
    assert shown(message)[1:3] == [
        "⛔ *Chen* · rejected",
        ("rejected0@harbour_tea"),
    ]
    assert shown(message)[19] == "✅ *午班* · bound"
    assert shown(message)[-1] == NOTICED_LINE
    assert "*Rejected*" in "".join(shown(digest(*members, REJECTED[20])))


def test_member_without_a_nickname_is_listed_by_its_account():
    nameless = [replace(one, kf_nick="") for one in REJECTED[:11]]
    assert "\nrejected0@harbour_tea, rejected1@harbour_tea" in shown(digest(*nameless))[1]


@for_each("hostile", HOSTILE)
@for_each("named", [True, False])
@for_each("number", [6, 10, 11, 60])
def test_digest_escapes_foreign_text(hostile, named, number):
    states = [EpisodeState.REJECTED, EpisodeState.EXPIRED, EpisodeState.WAITING, *CLOSED]
    members = [
        episode(
            states[index % len(states)],
            account_key=hostile,
            kf_nick=hostile if named else "",
            kf_id=hostile,
            invite_wx=hostile,
            events=leads(1),
        )
        for index in range(number)
    ]
    assert_fit(digest(*members))
    assert_fit(
        digest(*(replace(one, acked=user_action(hostile, user_id=str(index))) for index, one in enumerate(members)))
    )
    assert_fit(digest(*(moved(one, CLOSED[index % 4]) for index, one in enumerate(members))))


def test_digest_of_every_state_names_fewer_where_space_is_short():
    members = [episode(state, kf_nick="&" * 5000) for state in EpisodeState for _ in range(12)]
    members += [episode(kf_nick="&" * 5000, events=leads(1))] * 12
    message = digest(*members)
    assert_fit(message)
    assert all(text.endswith(" and 9 more") for text in shown(message)[1:9])


@pytest.mark.parametrize(
    ("shape", "states", "step"),
    [
        (MessageKind.DIGEST, [*EpisodeState], 24),  # its blocks fill up first
        (MessageKind.FIRST_RUN, [*EpisodeState][:4], 10),  # its text does
        (MessageKind.QUIET_SUMMARY, [*EpisodeState][:4], 10),
    ],
)
def test_digest_always_has_room_for_the_note_on_a_possible_repeat(shape, states, step):
    facts = {"noticed": NOTICED, "total": 80, "counts": {}, "begins": 0, "ends": 0, "held": {}, "repeat": True}
    context = replace(CONTEXT, mention=MENTION)
    members = [episode(state) for state in states for _ in range(10)] + [episode(events=leads(1))] * 10
    for length in range(0, 24 * len(members), step):
        full, rest = divmod(length, 24)
        nicks = ["&" * 24] * full + ["&" * rest + "a"] + ["a"] * len(members)
        named = [replace(one, kf_nick=nick) for one, nick in zip(members, nicks, strict=False)]
        assert_fit(render(shape, facts, named, None, context, posting=True), may_mention={MENTION})


# The accounts of the drawn first run.


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


BO = episode(kf_nick="小波", events=leads(1))
CHEN = episode(EpisodeState.REJECTED, "chen", expires_at=None)
NIGHT = episode(EpisodeState.REJECTED, "night1", kf_nick="夜班一号", invite_wx="wx_night_01", expires_at=None)
DEE = episode(EpisodeState.EXPIRED, "dee", expires_at=at(1795223520))
LIN = episode(name="lin", kf_nick="林晓", invite_wx="lin_xiao88", expires_at=at(1795461120), events=leads(24))
FOUND = [LIN, DEE, NIGHT, BO, CHEN]
COUNTS = {"expiring": 2, "rejected": 2, "expired": 1, "waiting": 4, "idle": 2, "bound": 29}


def first_run(*found: Episode, total: int = 40, **counts: int) -> Message:
    facts: dict[str, Any] = {"total": total, "counts": counts or COUNTS, "noticed": NOTICED}
    return render(MessageKind.FIRST_RUN, facts, found, None, CONTEXT)


def test_first_run_summary_matches_its_design():
    assert fields_of(first_run(*FOUND)) == drawn("first-run")


def test_first_run_of_one_account_counts_in_the_singular():
    message = first_run(CHEN, total=1, rejected=1)
    assert shown(message)[0] == "Now watching 1 account, 1 needs attention"
    assert not any(text.startswith("Also") for text in shown(message))
    assert message.text.startswith("Now watching 1 customer-service account, 1 needs attention. Rejected: Chen.")


def test_unknown_state_without_a_row_is_counted():
    message = first_run(CHEN, total=4, rejected=1, unknown=1, bound=2)
    assert shown(message)[0] == "Now watching 4 accounts, 2 need attention"
    assert "Also\u2002❔\u00a01\u00a0unknown\u2002✅\u00a02\u00a0bound" in shown(message)


def test_lead_that_passes_changes_a_row_and_nothing_else():
    message = first_run(*FOUND[1:], replace(LIN, events=leads(24, 6)))
    assert shown(message)[0] == "Now watching 40 accounts, 5 need attention"
    assert "⏰ *林晓* · less than 6 h left" in shown(message)


def test_first_run_summary_counts_its_open_members():
    found = [
        moved(LIN, EpisodeState.BOUND),
        moved(DEE, EpisodeState.REPLACED),
        moved(NIGHT, EpisodeState.CANCELLED),
        BO,
        CHEN,
    ]
    message = first_run(*found)
    assert loud(message)
    assert shown(message)[0] == "Now watching 40 accounts: 2 of these still open"
    assert [text for text in shown(message) if "*" in text] == [
        "⏰ *小波* · less than 1 h left",
        "⛔ *Chen* · rejected",
        "✅ *林晓* · bound",
        "✉️ *Dee* · invited again",
        "⚪ *夜班一号* · invitation withdrawn",
    ]
    assert not any(text.startswith("Also") for text in shown(message))
    assert buttons(message) == {"kf.list": "v1:list:1:due"}
    assert message.text == (
        "Now watching 40 customer-service accounts: 2 of these still open. "
        "Expiring: 小波 (until Mon 23 Nov 01:53 UTC). Rejected: Chen. Bound: 林晓. Invited again: Dee. "
        "Invitation withdrawn: 夜班一号. From now on each change gets its own message."
    )


def test_change_between_open_states_is_an_edit_as_well():
    message = first_run(*FOUND[1:], moved(LIN, EpisodeState.EXPIRED))
    assert shown(message)[0] == "Now watching 40 accounts: 5 of these still open"


def test_first_run_summary_turns_calm_when_all_members_are_closed():
    message = first_run(*(moved(one, EpisodeState.BOUND) for one in FOUND))
    assert not loud(message)
    assert buttons(message) == {}
    assert shown(message) == [
        "✅ *Now watching 40 accounts: all of these settled*",
        "✅ Bound: Dee, 小波, 林晓, Chen, 夜班一号",
        BEFORE,
    ]
    assert message.text == (
        "Now watching 40 customer-service accounts: all of these settled. "
        "Bound: Dee, 小波, 林晓, Chen, 夜班一号. From now on each change gets its own message."
    )


def test_first_run_summary_counts_accounts_after_the_tenth_row():
    message = first_run(*REJECTED[:22], *in_turn(EpisodeState.EXPIRED, [f"Dee {n}" for n in range(9)]), rejected=31)
    assert "21 more: 12 rejected, 9 expired" in shown(message)
    assert len([text for text in shown(message) if "*" in text]) == 10


@for_each("hostile", HOSTILE)
@for_each("named", [True, False])
@for_each("number", [1, 10, 60])
def test_first_run_summary_escapes_foreign_text(hostile, named, number):
    states = [EpisodeState.REJECTED, EpisodeState.EXPIRED, EpisodeState.WAITING, *CLOSED]
    found = [
        episode(
            states[index % 7],
            account_key=hostile,
            kf_nick=hostile if named else "",
            kf_id=hostile,
            invite_wx=hostile,
            events=leads(1),
        )
        for index in range(number)
    ]
    assert_fit(first_run(*found))
    assert_fit(first_run(*(moved(one, CLOSED[index % 4]) for index, one in enumerate(found))))


def test_newest_loss_comes_first():
    old, new = (
        episode(
            EpisodeState.EXPIRED, name=name, kf_nick=name, expires_at=NOW - timedelta(hours=hours), state_since=NOW
        )
        for name, hours in (("old", 38), ("new", 28))
    )
    earlier = episode(
        EpisodeState.REJECTED, name="earlier", kf_nick="earlier", state_since=NOW - timedelta(hours=1)
    )
    later = episode(EpisodeState.REJECTED, name="later", kf_nick="later", state_since=NOW)
    heads = [text.split("*")[1] for text in shown(digest(old, earlier, new, later)) if "*" in text]
    assert heads == ["later", "earlier", "new", "old"]
