"""Every channel message: accepted by Slack, without mentions, and a pure function of its episodes."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import asdict, replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.alerting.acknowledgements import ActionKind
from bot.alerting.episode import AlertKind, AlertPolicy, EpisodeState
from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.alerting.quiet_hours import QuietHours
from bot.blocks.channel.notifications import render, text_only
from bot.blocks.context import RenderContext
from bot.outbox.messages import MessageKind
from bot.ports import Message
from tests.budgets import share
from tests.conftest import NOW
from tests.episodes import (
    CONTEXT,
    MENTION,
    assert_fit,
    episode,
    episodes,
    fields_of,
    leads,
    mentions,
    moments,
    names,
    shown,
    user_action,
)
from tests.for_each import for_each
from tests.samples import LEADS

SHANGHAI = ZoneInfo("Asia/Shanghai")
CALLING = replace(CONTEXT, mention=MENTION)
QUIET = QuietHours(time(22), time(8), SHANGHAI)

counts = st.dictionaries(
    st.sampled_from(["expiring", "rejected", "expired", "unknown", "waiting", "idle", "bound"]),
    st.integers(0, 10_000),
)
noticed = moments.map(lambda moment: moment.timestamp())
seconds = moments.map(lambda moment: int(moment.timestamp()))
faults = st.builds(
    ErrorDetails,
    kind=st.sampled_from(["TransportError", "ResponseError", "SetupError", "ClockSkew"]),
    errcode=st.none() | st.integers(-1, 99_999),
    errmsg=names,
    rid=names,
    address=names,
    detail=names,
)
events = st.fixed_dictionaries(
    {"kind": st.sampled_from(AlertKind), "lead": st.sampled_from([int(lead.total_seconds()) for lead in LEADS])},
    optional={"call": st.booleans(), "before_quiet": seconds},
)
deeds = st.fixed_dictionaries(
    {"deed": st.sampled_from(ActionKind), "name": names}, optional={"until": seconds, "count": st.integers(2, 60)}
)
facts = {
    MessageKind.ALERT: st.fixed_dictionaries({}, optional={"before_quiet": seconds}),
    MessageKind.MEMBER_LIST: st.just({}),
    MessageKind.DIGEST: st.fixed_dictionaries({"noticed": noticed}),
    MessageKind.FIRST_RUN: st.fixed_dictionaries(
        {"total": st.integers(0, 10_000), "counts": counts, "noticed": noticed}
    ),
    MessageKind.REPLY: st.fixed_dictionaries({"state": st.sampled_from(EpisodeState)}) | events | deeds,
    MessageKind.QUIET_SUMMARY: st.fixed_dictionaries(
        {
            "begins": seconds,
            "ends": seconds,
            "held": st.dictionaries(
                st.text("0123456789abcdef", min_size=12, max_size=16), st.lists(st.sampled_from(AlertKind))
            ),
        }
    ),
    MessageKind.INCIDENT_REPLY: st.fixed_dictionaries(
        {
            "fault": faults.map(asdict),
            "cause": st.sampled_from(Cause),
            "over": st.booleans(),
            "seconds": st.integers(0, 10**7),
        }
    ),
}
repeats = st.sampled_from([{}, {"repeat": True}])
zones = st.sampled_from([None, SHANGHAI, ZoneInfo("America/New_York")])
contexts = st.builds(
    RenderContext,
    policy=st.builds(
        AlertPolicy,
        leads=st.lists(st.timedeltas(timedelta(seconds=1), timedelta(days=9)), min_size=1, max_size=4).map(
            lambda leads: tuple(sorted(leads, reverse=True))
        ),
        quiet=st.sampled_from([None, QUIET]),
    ),
    poll=st.timedeltas(timedelta(seconds=1), timedelta(days=1)),
    zone=zones.filter(bool),
    text_zone=zones,
    mention=st.sampled_from(["", MENTION]),
)
incidents = st.builds(
    Incident,
    id=st.just("source_down-1"),
    cause=st.sampled_from(Cause),
    since=moments,
    fault=faults,
    resolved_at=st.none() | moments,
)


def linked(members):
    """Return the people an edit may mention: those who acknowledged these episodes."""
    people = [person for one in members for person in (one.acked, one.snoozed) if person]
    return {f"<@{one.user_id}>" for one in people if re.fullmatch("[UW][A-Z0-9]{1,30}", one.user_id)}


@pytest.mark.parametrize("shape", facts)
@settings(max_examples=share(15, 50))
@given(data=st.data())
def test_every_message_fits_and_has_only_permitted_mentions(shape, data):
    members = data.draw(st.lists(episodes, min_size=1, max_size=14))
    carried, context = data.draw(facts[shape]) | data.draw(repeats), data.draw(contexts)
    edited = render(shape, carried, members, None, context, message_id="m-1")
    on_edit = linked(members) if shape in (MessageKind.ALERT, MessageKind.DIGEST, MessageKind.QUIET_SUMMARY) else ()
    assert_fit(edited, may_mention=on_edit)
    posted = render(shape, carried, members, None, context, message_id="m-1", posting=True)
    assert_fit(posted, may_mention={context.mention} - {""})
    assert mentions(Message(posted.text)) == []


@given(incident=incidents, context=contexts, repeat=repeats)
def test_every_notice_fits_and_has_no_mention(incident, context, repeat):
    assert_fit(render(MessageKind.INCIDENT, repeat, [], incident, context, posting=True))


@pytest.mark.parametrize("shape", facts)
@settings(max_examples=20)
@given(data=st.data())
def test_equal_members_give_an_equal_message_also_after_a_store(shape, data):
    members = data.draw(st.lists(episodes, min_size=1, max_size=12))
    carried = data.draw(facts[shape])
    again, stored = json.loads(json.dumps(carried)), copy.deepcopy(members)
    assert render(shape, carried, members, None, CONTEXT) == render(shape, again, stored, None, CONTEXT)


@pytest.mark.parametrize("shape", [MessageKind.DIGEST, MessageKind.QUIET_SUMMARY])
@settings(max_examples=20)
@given(members=st.lists(episodes, min_size=1, max_size=12, unique_by=lambda one: one.id), data=st.data())
def test_summary_does_not_depend_on_the_order_of_its_episodes(shape, members, data):
    carried = data.draw(facts[shape])
    shuffled = data.draw(st.permutations(members))
    assert render(shape, carried, members, None, CONTEXT) == render(shape, carried, shuffled, None, CONTEXT)


WITHOUT_EPISODES = (MessageKind.INCIDENT_REPLY, MessageKind.NOTICE)


@pytest.mark.parametrize("shape", [shape for shape in MessageKind if shape not in WITHOUT_EPISODES])
def test_message_without_stored_episodes_says_so(shape):
    message = render(shape, {"noticed": NOW.timestamp()}, [], None, CONTEXT)
    assert_fit(message)
    assert message.text == "This message is out of date. /kf shows the present state."


URGENT = episode(events=leads(1))
CALM = episode(events=leads(24))
AT_ONCE = {"noticed": NOW.timestamp()}
NIGHT = {"begins": 0, "ends": NOW.timestamp(), "held": {}}


@for_each(
    ("shape", "carried", "members", "called"),
    [
        (MessageKind.ALERT, {}, URGENT, True),
        (MessageKind.ALERT, {}, episode(EpisodeState.REJECTED), True),
        (MessageKind.ALERT, {}, episode(EpisodeState.EXPIRED), True),
        (MessageKind.ALERT, {}, CALM, False),
        (MessageKind.ALERT, {}, replace(URGENT, acked=user_action()), False),
        (MessageKind.ALERT, {}, episode(EpisodeState.BOUND, events=leads(1)), False),
        (MessageKind.REPLY, {"kind": "expiring", "lead": 3600, "call": True}, URGENT, True),
        (MessageKind.REPLY, {"kind": "rejected", "lead": 0, "call": True}, episode(EpisodeState.REJECTED), True),
        (
            MessageKind.REPLY,
            {"kind": "rejected", "lead": 0, "call": True},
            episode(EpisodeState.REJECTED, acked=user_action()),
            False,
        ),
        (MessageKind.REPLY, {"kind": "rejected", "lead": 0}, episode(EpisodeState.REJECTED), False),
        (MessageKind.REPLY, {"kind": "expiring", "lead": 21600, "call": True}, CALM, False),
        (MessageKind.REPLY, {"state": "rejected"}, episode(EpisodeState.REJECTED), False),
        (MessageKind.REPLY, {"deed": "acknowledged", "name": "Mei"}, URGENT, False),
        (MessageKind.DIGEST, AT_ONCE, URGENT, True),
        (MessageKind.DIGEST, AT_ONCE, CALM, False),
        (MessageKind.DIGEST, AT_ONCE, replace(URGENT, acked=user_action()), False),
        (MessageKind.QUIET_SUMMARY, NIGHT, URGENT, True),
        (MessageKind.QUIET_SUMMARY, NIGHT, replace(URGENT, acked=user_action()), False),
        (MessageKind.QUIET_SUMMARY, NIGHT, episode(EpisodeState.BOUND), False),
        (MessageKind.FIRST_RUN, {"total": 1, "counts": {}, **AT_ONCE}, URGENT, False),
        (MessageKind.MEMBER_LIST, {}, URGENT, False),
    ],
)
def test_only_new_urgent_unacknowledged_messages_mention_people(shape, carried, members, called):
    posted = render(shape, carried, [members], None, CALLING, posting=True)
    edited = render(shape, carried, [members], None, CALLING)
    assert mentions(posted) == [MENTION] * called
    assert MENTION not in str(edited)
    assert posted.text == edited.text
    assert_fit(posted, may_mention={MENTION})


def test_message_has_no_mention_without_the_setting():
    posted = render(MessageKind.ALERT, {}, [URGENT], None, CONTEXT, posting=True)
    assert posted == render(MessageKind.ALERT, {}, [URGENT], None, CONTEXT)


@pytest.mark.parametrize("shape", [MessageKind.ALERT, MessageKind.DIGEST, MessageKind.QUIET_SUMMARY])
@pytest.mark.parametrize("mention", ["", MENTION])
def test_fallback_text_has_the_mentions_of_the_blocks(shape, mention):
    context = replace(CONTEXT, mention=mention)
    for members in (URGENT, CALM, replace(URGENT, acked=user_action())):
        posted = render(shape, NIGHT | AT_ONCE, [members], None, context, posting=True)
        called = f"{mention} " if mention and members is URGENT else ""
        assert text_only(posted, mention) == Message(called + posted.text)
        edited = render(shape, NIGHT | AT_ONCE, [members], None, context)
        assert text_only(edited, mention) == Message(edited.text)


@pytest.mark.parametrize("shape", facts)
@settings(max_examples=10)
@given(data=st.data())
def test_note_on_a_possible_repeat_comes_last(shape, data):
    members, carried = data.draw(st.lists(episodes, min_size=1, max_size=3)), data.draw(facts[shape])
    once = render(shape, carried, members, None, CONTEXT)
    again = render(shape, carried | {"repeat": True}, members, None, CONTEXT)
    repeat = "Possible repeat: Slack did not confirm the first posting."
    assert again.text == f"{once.text} {repeat}"
    assert [*again.blocks] == [*once.blocks, {"type": "context", "elements": [{"type": "mrkdwn", "text": repeat}]}]


def test_notice_may_be_a_repeat_as_well():
    incident = Incident("source_down-1", Cause.SOURCE_DOWN, NOW, ErrorDetails("TransportError"))
    assert shown(render(MessageKind.INCIDENT, {"repeat": True}, [], incident, CONTEXT))[-1].startswith(
        "Possible repeat: "
    )


def test_times_that_slack_does_not_translate_are_those_of_the_zone_that_is_set():
    message = render(MessageKind.ALERT, {}, [CALM], None, replace(CONTEXT, text_zone=SHANGHAI))
    assert "until Mon 23 Nov 09:53 Asia/Shanghai" in message.text
    assert "|deadline Mon 23 Nov 09:53 Asia/Shanghai>" in str(fields_of(message))
    assert "UTC" not in str(fields_of(message))
    assert "01:53 UTC" in render(MessageKind.ALERT, {}, [CALM], None, CONTEXT).text
