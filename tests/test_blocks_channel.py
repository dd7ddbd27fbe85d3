"""Whatever stands in the channel: fit for Slack, silent, and a pure view of its members."""

from __future__ import annotations

import copy
import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.blocks.channel import Look, render
from bot.episodes import Kind, State
from bot.outages import Cause, Fault, Incident
from bot.outbox import Shape
from tests.conftest import NOW
from tests.episodes import LOOK, assert_fit, episodes, moments, names
from tests.samples import LEADS

counts = st.dictionaries(
    st.sampled_from(["expiring", "rejected", "expired", "unknown", "waiting", "idle", "bound"]),
    st.integers(0, 10_000),
)
noticed = moments.map(lambda moment: moment.timestamp())
facts = {
    Shape.PROBLEM: st.just({}),
    Shape.NAMES: st.just({}),
    Shape.DIGEST: st.fixed_dictionaries({"noticed": noticed}),
    Shape.FIRST_RUN: st.fixed_dictionaries({"total": st.integers(0, 10_000), "counts": counts, "noticed": noticed}),
    Shape.LINE: st.fixed_dictionaries({"state": st.sampled_from(State)})
    | st.fixed_dictionaries(
        {"kind": st.sampled_from(Kind), "lead": st.sampled_from([int(lead.total_seconds()) for lead in LEADS])}
    ),
}
looks = st.builds(
    Look,
    leads=st.lists(st.timedeltas(timedelta(seconds=1), timedelta(days=9)), min_size=1, max_size=4).map(
        lambda leads: tuple(sorted(leads, reverse=True))
    ),
    poll=st.timedeltas(timedelta(seconds=1), timedelta(days=1)),
)
incidents = st.builds(
    Incident,
    id=st.just("source_down-1"),
    cause=st.sampled_from(Cause),
    since=moments,
    fault=st.builds(
        Fault,
        kind=st.sampled_from(["TransportError", "ResponseError", "SetupError"]),
        errcode=st.none() | st.integers(-1, 99_999),
        errmsg=names,
        rid=names,
        address=names,
        detail=names,
    ),
    over_at=st.none() | moments,
)


@pytest.mark.parametrize("shape", facts)
@settings(max_examples=50)
@given(data=st.data())
def test_every_message_fits_and_pings_nobody(shape, data):
    told = data.draw(st.lists(episodes, min_size=1, max_size=14))
    carried, look = data.draw(facts[shape]), data.draw(looks)
    assert_fit(render(shape, carried, told, None, look))


@given(incident=incidents, look=looks)
def test_every_notice_fits_and_pings_nobody(incident, look):
    assert_fit(render(Shape.HEALTH, {}, [], incident, look))


@pytest.mark.parametrize("shape", facts)
@settings(max_examples=50)
@given(data=st.data())
def test_equal_members_give_an_equal_message_also_after_a_store(shape, data):
    told = data.draw(st.lists(episodes, min_size=1, max_size=12))
    carried = data.draw(facts[shape])
    again = json.loads(json.dumps(carried))
    assert render(shape, carried, told, None, LOOK) == render(shape, again, copy.deepcopy(told), None, LOOK)


@given(told=st.lists(episodes, min_size=1, max_size=12, unique_by=lambda one: one.id), data=st.data())
def test_a_summary_does_not_depend_on_the_order_of_its_members(told, data):
    carried = data.draw(facts[Shape.DIGEST])
    shuffled = data.draw(st.permutations(told))
    assert render(Shape.DIGEST, carried, told, None, LOOK) == render(Shape.DIGEST, carried, shuffled, None, LOOK)


@pytest.mark.parametrize("shape", Shape)
def test_a_message_whose_subject_is_forgotten_says_so(shape):
    message = render(shape, {"noticed": NOW.timestamp()}, [], None, LOOK)
    assert_fit(message)
    assert message.text == "This message is out of date. /kf shows the present state."
