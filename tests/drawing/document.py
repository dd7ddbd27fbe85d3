"""What is drawn, and where it is kept: the picture, and the tables of docs/architecture.md that say the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from tests.drawing.flows import FLOWS, Arrow, Flow, Port
from tests.drawing.house import Room, foundation, house, reduced
from tests.drawing.picture import picture
from tests.test_house import ROOT

DOCUMENT = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "pictures" / "house.svg"
DRAWN = re.compile(r"(<!-- drawn: (\w+) -->\n).*?(<!-- end -->)", re.S)


def drawn() -> str:
    """The picture of the code as it is now."""
    rooms = house()
    return picture(rooms, reduced({room.name: room.uses for room in rooms}), [name for name, _ in foundation()])


def document(text: str) -> str:
    """The document with its tables as the code is now. What stands round them is left alone."""
    tables: dict[str, Callable[[], str]] = {
        "floors": lambda: _floors(house()),
        "client": lambda: _client(foundation()),
        **{flow.name: partial(_steps, flow) for flow in FLOWS},
    }
    return DRAWN.sub(lambda match: f"{match[1]}\n{tables[match[2]]()}\n{match[3]}", text)


def _floors(rooms: Sequence[Room]) -> str:
    rows = [f"| {room.floor} | `{room.name}` | {room.says} |" for room in rooms]
    return "\n".join(["| floor | room | what it says of itself |", "| --- | --- | --- |", *rows, ""])


def _client(modules: Sequence[tuple[str, str]]) -> str:
    rows = [f"| `{name}` | {says} |" for name, says in modules]
    return "\n".join(["| module | what it says of itself |", "| --- | --- |", *rows, ""])


def _steps(flow: Flow) -> str:
    rows = [
        f"| {number} | `{arrow.source}` | `{arrow.target}` | {arrow.says} | {_how(arrow)} |"
        for number, arrow in enumerate(flow.arrows, start=1)
    ]
    return "\n".join(["| | from | to | what | how |", "| --- | --- | --- | --- | --- |", *rows, ""])


def _how(arrow: Arrow) -> str:
    if isinstance(arrow.by, Port):
        return (
            f"port `{arrow.by.name}`, handed on by {', '.join(f'`{one}`' for one in reversed(arrow.by.by_way_of))}"
        )
    return f"`{arrow.by}`" if arrow.by else "import"
