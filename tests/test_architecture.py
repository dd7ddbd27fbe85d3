"""The picture of the house: what it shows is what the code says, and it is drawn anew when the code changes."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from tests.drawing.document import DOCUMENT, PICTURE, document, drawn
from tests.drawing.flows import DISPATCH, FLOWS, Arrow, Port, fault_of
from tests.drawing.house import house, reduced
from tests.drawing.layout import plan
from tests.test_house import FLOORS

ARROWS = [arrow for flow in FLOWS for arrow in flow.arrows]
STALE = "it is not what the code says any more: run `make docs`"


def test_the_picture_is_of_the_code_as_it_is():
    assert PICTURE.read_text(encoding="utf-8") == drawn(), STALE


def test_the_tables_are_of_the_code_as_it_is():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == document(text), STALE


@pytest.mark.parametrize("arrow", ARROWS, ids=lambda arrow: f"{arrow.source} to {arrow.target}")
def test_each_step_of_a_flow_is_an_import_a_port_or_a_library(arrow):
    assert fault_of(arrow) == ""


@pytest.mark.parametrize(
    ("arrow", "fault"),
    [
        (Arrow("bot.blocks", "bot.store", ""), "bot.blocks does not import bot.store"),
        (Arrow("Slack", "bot.desk", "", "aiohttp"), "bot.desk does not import aiohttp"),
        (Arrow("bot.web.guard", "bot.slack", "", Port("Gate")), "bot.web.guard knows no Gate"),
        (
            Arrow("bot.web.guard", "bot.store", "", replace(DISPATCH, by_way_of=())),
            "neither of bot.web.guard and bot.store imports the other",
        ),
        (
            Arrow("bot.watch", "wechat_kf", "", Port("Accounts", "wechat_kf:StableToken")),
            "StableToken lacks kf_list, online_kf_list of Accounts",
        ),
        (
            Arrow("bot.watch", "bot.store", "", Port("Accounts", "wechat_kf:KfClient")),
            "wechat_kf:KfClient is not in bot.store",
        ),
    ],
)
def test_a_step_that_the_code_does_not_bear_out_is_refused(arrow, fault):
    assert fault_of(arrow) == fault


def test_each_flow_goes_on_from_whoever_was_there():
    for flow in FLOWS:
        known = {flow.arrows[0].source.split(".")[0], *_rooms(flow.arrows[0])}
        for arrow in flow.arrows:
            assert arrow.source == flow.arrows[0].source or _rooms(arrow) & known, arrow
            known |= _rooms(arrow)


def _rooms(arrow: Arrow) -> set[str]:
    return {".".join(end.split(".")[:2]) for end in (arrow.source, arrow.target)}


def test_a_way_that_others_say_already_is_not_drawn():
    assert reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {("a", "b"), ("b", "c")}


def test_every_import_is_drawn_or_follows():
    uses = {room.name: room.uses for room in house()}
    kept: dict[str, set[str]] = {name: set() for name in uses}
    for upper, lower in reduced(uses):
        kept[upper].add(lower)

    def reach(name: str) -> set[str]:
        return {far for near in kept[name] for far in (near, *reach(near))}

    assert {name: reach(name) >= set(all_used) for name, all_used in uses.items()} == dict.fromkeys(uses, True)


def test_no_room_stands_on_another_and_each_on_its_floor():
    rooms = house()
    laid = plan(FLOORS, reduced({room.name: room.uses for room in rooms}), room=140, point=10, width=1200)
    for floor, nodes in laid.floors.items():
        assert {node for node in nodes if "@" not in node} == {name for name in FLOORS if FLOORS[name] == floor}
        edges = [
            (laid.x[node] - half, laid.x[node] + half) for node in nodes for half in (5 if "@" in node else 70,)
        ]
        assert all(left[1] <= right[0] + 0.01 for left, right in itertools.pairwise(edges))
        assert edges[0][0] >= -0.01
        assert edges[-1][1] <= 1200.01


def test_the_picture_is_small_whole_and_loads_nothing():
    text = PICTURE.read_text(encoding="utf-8")
    assert len(text.encode()) < 200_000
    assert re.findall(r"(?:href|src|url|@import)\W*\(?[\"']?(?!#)\w+:", text) == []
    root = ET.fromstring(text)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"The house", *FLOORS, *(flow.title for flow in FLOWS)} <= set(words)
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    assert (left, top) == (0, 0)
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        right, bottom = (
            float(box.get(at, 0)) + float(box.attrib[size]) for at, size in (("x", "width"), ("y", "height"))
        )
        assert right <= width
        assert bottom <= height
