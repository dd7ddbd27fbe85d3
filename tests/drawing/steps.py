"""A flow, step by step: a column for each who takes part, and an arrow for each step."""

from __future__ import annotations

from collections.abc import Mapping

from tests.drawing.flows import OUTSIDE, Arrow, Flow, Port
from tests.drawing.pen import INDENT, INSIDE, MARGIN, Pen

STEP, HEAD = 31, 66  # from arrow to arrow, and above the first


def draw_flow(pen: Pen, top: float, flow: Flow) -> float:
    """Draw the steps of a flow below `top`. Returns where the drawing ends."""
    pen.words(MARGIN, top, flow.title, "title")
    pen.words(
        MARGIN + 240,
        top,
        "solid: an import, or a library that speaks with the outside · dashed: handed in, under the name of a port",
        "lead",
    )
    lanes = _lanes_of(flow)
    step = INSIDE / len(lanes)
    middles = {lane: MARGIN + INDENT + step * (number + 0.5) for number, lane in enumerate(lanes)}
    bottom = top + HEAD + STEP * len(flow.arrows)
    for lane, x in middles.items():
        pen.path(f"M{x:.0f} {top + 44:.0f}V{bottom:.0f}", "life")
        pen.box(x - (step - 8) / 2, top + 18, step - 8, 26, "outside" if lane in OUTSIDE else "room")
        pen.words(x, top + 35, lane, "name", anchor="middle")
    for number, arrow in enumerate(flow.arrows, start=1):
        _step(pen, top + HEAD + STEP * (number - 0.35), number, arrow, middles, flow.name)
    return bottom


def _step(pen: Pen, y: float, number: int, arrow: Arrow, middles: Mapping[str, float], kind: str) -> None:
    begins, ends = middles[_lane_of(arrow.source)], middles[_lane_of(arrow.target)]
    port = isinstance(arrow.by, Port)
    pen.words(MARGIN + INDENT - 12, y + 4, str(number), f"number {kind}", anchor="end")
    if begins == ends:
        pen.path(f"M{begins:.0f} {y - 9:.0f}h26v14h-20", f"step {kind}", head=kind)
        pen.words(begins + 32, y + 2, arrow.says, "said")
        return
    pen.path(
        f"M{begins:.0f} {y:.0f}H{ends + (2 if ends < begins else -2):.0f}",
        f"step {kind}{' port' if port else ''}",
        head=kind,
    )
    how = f" ({arrow.by.name})" if isinstance(arrow.by, Port) else ""
    pen.words((begins + ends) / 2, y - 6, arrow.says + how, "said", anchor="middle")


def _lane_of(module: str) -> str:
    """The room of a module of the bot; all else by its own first name."""
    return module.split(".")[1] if module.startswith("bot.") else module.split(".")[0]


def _lanes_of(flow: Flow) -> list[str]:
    """Who takes part, in the order of appearance."""
    ends = [_lane_of(end) for arrow in flow.arrows for end in (arrow.source, arrow.target)]
    return list(dict.fromkeys(ends))
