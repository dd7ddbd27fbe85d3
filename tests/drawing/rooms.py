"""The rooms on their floors, with an arrow to each that one imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.drawing.flows import FLOWS, Flow
from tests.drawing.house import Edge, Room
from tests.drawing.layout import Plan, plan
from tests.drawing.pen import INDENT, INSIDE, MARGIN, Pen, curve, wrapped

WIDEST, BETWEEN, GAP = 160, 12, 40  # a room, and what is left beside and below it
HEAD, LEADING, LETTER = 34, 12.5, 6.0  # the letter is that of a wide font
POINT = 13  # beside one another, two lines that pass a floor


def draw_house(pen: Pen, top: float, rooms: Sequence[Room], arrows: set[Edge], modules: Sequence[str]) -> float:
    """Draw the rooms below `top`. Returns where the drawing ends."""
    pen.words(MARGIN, top + 14, "The house", "title")
    lead = "An arrow is an import; what follows from others is left out. Lines that meet lead to the same room."
    pen.words(MARGIN, top + 36, lead, "lead")
    _legend(pen, top + 58)
    floors = {room.name: room.floor for room in rooms}
    box = _box(floors, arrows)
    laid = plan(floors, arrows, room=box + BETWEEN, point=POINT, width=INSIDE)
    words = {room.name: wrapped(room.says, int((box - 18) / LETTER)) for room in rooms}
    standing, y = dict[int, tuple[float, float]](), top + 84
    for floor in sorted(laid.floors, reverse=True):
        here = [room for room in rooms if room.floor == floor]
        height = HEAD + LEADING * max(len(words[room.name]) + len(_spoken(room, box)) for room in here)
        standing[floor] = y, height
        pen.words(MARGIN, y + height / 2 + 4, str(floor), "floor")
        y += height + GAP
    _arrows(pen, laid, standing, box)
    for room in rooms:
        _room(pen, room, words[room.name], MARGIN + INDENT + laid.x[room.name] - box / 2, standing[room.floor], box)
    return _foundation(pen, y - GAP + 26, modules)


def _box(floors: Mapping[str, int], arrows: set[Edge]) -> float:
    """How wide a room may be: as the fullest floor allows."""
    passing = {
        floor: len({lower for upper, lower in arrows if floors[lower] < floor < floors[upper]})
        for floor in floors.values()
    }
    rooms = {floor: list(floors.values()).count(floor) for floor in floors.values()}
    return min([WIDEST, *((INSIDE - POINT * passing[floor]) / rooms[floor] - BETWEEN for floor in rooms)])


def _foundation(pen: Pen, top: float, modules: Sequence[str]) -> float:
    left = MARGIN + INDENT
    pen.box(left, top, INSIDE, 58, "speaks")
    pen.words(left + 14, top + 23, "wechat_kf", "name")
    pen.words(
        left + 104, top + 23, "WeChat’s interfaces: every floor may use them; they know nothing of the bot.", "lead"
    )
    pen.words(left + 14, top + 44, f"{' · '.join(modules)} · by way of httpx", "lead")
    return top + 58


def _legend(pen: Pen, y: float) -> None:
    x: float = MARGIN
    for flow in FLOWS:
        pen.dot(x + 5, y - 4, f"dot {flow.name}")
        pen.words(x + 15, y, f"takes part in {flow.title[0].lower()}{flow.title[1:]}")
        x += 230
    pen.box(x, y - 11, 22, 14, "speaks")
    pen.words(x + 29, y, "speaks with the outside, through the libraries that it names")


def _arrows(pen: Pen, laid: Plan, standing: Mapping[int, tuple[float, float]], box: float) -> None:
    floors = {node: floor for floor, nodes in laid.floors.items() for node in nodes}
    leaving: dict[str, list[str]] = {}
    for upper, lower in sorted(laid.parts, key=lambda part: laid.x[part[1]]):
        leaving.setdefault(upper, []).append(lower)
    for upper, lower in laid.parts:
        begins, ends = laid.x[upper], laid.x[lower]
        side = leaving[upper]
        if "@" not in upper:
            begins += (side.index(lower) - (len(side) - 1) / 2) * min(16, box / len(side))
        if "@" not in lower:  # towards where the line comes from, so that few end in one point
            ends += max(-box * 0.32, min(box * 0.32, (begins - ends) * 0.35))
        top, height = standing[floors[upper]]
        to_top, to_height = standing[floors[lower]]
        left = MARGIN + INDENT
        path = curve([(left + begins, top + height), (left + ends, to_top)])
        passing = "@" in lower
        pen.path(f"{path}V{to_top + to_height:.0f}" if passing else path, "line", head="" if passing else "import")


def _room(
    pen: Pen, room: Room, words: Sequence[str], left: float, standing: tuple[float, float], box: float
) -> None:
    top, height = standing
    pen.box(left, top, box, height, "speaks" if room.speaks else "room")
    pen.words(left + 9, top + 18, room.name, "name")
    flows = [flow.name for flow in FLOWS if room.name in _taking_part(flow)]
    for number, name in enumerate(reversed(flows)):
        pen.dot(left + box - 12 - number * 12, top + 13, f"dot {name}")
    pen.lines(left + 9, top + HEAD, words, leading=LEADING)
    pen.lines(left + 9, top + HEAD + LEADING * len(words) + 2, _spoken(room, box), leading=LEADING, kind="how")


def _spoken(room: Room, box: float) -> list[str]:
    return wrapped(", ".join(room.speaks), int((box - 18) / LETTER))


def _taking_part(flow: Flow) -> set[str]:
    ends = {end for arrow in flow.arrows for end in (arrow.source, arrow.target)}
    return {end.split(".")[1] for end in ends if end.startswith("bot.")}
