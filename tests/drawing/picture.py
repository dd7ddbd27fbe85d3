"""The one picture: the house at the top, and the two flows through it below."""

from __future__ import annotations

from collections.abc import Sequence

from tests.drawing.flows import FLOWS
from tests.drawing.house import Edge, Room
from tests.drawing.pen import Pen
from tests.drawing.rooms import draw_house
from tests.drawing.steps import draw_flow

BETWEEN = 62  # the house and a flow


def picture(rooms: Sequence[Room], arrows: set[Edge], modules: Sequence[str]) -> str:
    """The picture as SVG.

    Args:
        modules: of `wechat_kf`, by name.
    """
    pen = Pen()
    bottom = draw_house(pen, 30, rooms, arrows, modules)
    for flow in FLOWS:
        bottom = draw_flow(pen, bottom + BETWEEN, flow)
    return pen.svg(
        bottom + 30,
        title="The house, and the two flows through it",
        description="Rooms on their floors, an arrow to each room that one imports; below, who hands what to whom "
        "when somebody types a slash command, and at a tick of the watcher. Tables beside it say the same.",
    )
