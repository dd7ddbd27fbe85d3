"""The house as the code builds it: rooms, floors, imports. Reads files, draws nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.test_house import FLOORS, ONLY_IN, ROOT, imports, rooms, rooms_of_the_bot_in

Edge = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Room:
    """A module or a package of `bot`, and which others it imports."""

    name: str
    floor: int
    says: str  # the first sentence of its docstring
    speaks: tuple[str, ...]  # libraries that few rooms may use: how it reaches the outside
    uses: frozenset[str]


def house() -> list[Room]:
    """Every room but the demo, highest floor first."""
    found: dict[str, list[Path]] = {}
    for room, path in rooms():
        found.setdefault(room, []).append(path)
    return [_room(name, found[name]) for name in sorted(FLOORS, key=lambda name: (-FLOORS[name], name))]


def foundation() -> list[tuple[str, str]]:
    """The modules of `wechat_kf`, on which every floor may stand, with what they say."""
    tops = sorted((ROOT / "wechat_kf").iterdir())
    paths = [path / "__init__.py" if path.is_dir() else path for path in tops]
    paths = [path for path in paths if path.suffix == ".py" and path.is_file()]
    own = [path for path in paths if path.parent.name != "wechat_kf" or path.stem != "__init__"]
    return [(path.stem if path.stem != "__init__" else path.parent.name, _says(path)) for path in own]


def reduced(edges: Mapping[str, Iterable[str]]) -> set[Edge]:
    """The edges without those that a longer way says already. There is no circle: floors forbid it."""
    beyond: dict[str, set[str]] = {}

    def reach(name: str) -> set[str]:
        if name not in beyond:
            beyond[name] = {far for near in edges.get(name, ()) for far in (near, *reach(near))}
        return beyond[name]

    return {
        (name, near)
        for name, all_near in edges.items()
        for near in all_near
        if not any(near in reach(other) for other in set(all_near) - {near})
    }


def path_of(module: str) -> Path:
    """The file of a module such as `bot.slack.listeners`."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _room(name: str, paths: list[Path]) -> Room:
    return Room(
        name=name,
        floor=FLOORS[name],
        says=_says(path_of(f"bot.{name}")),
        speaks=tuple(sorted({head for path in paths for head in _heads(path) if name in ONLY_IN.get(head, ())})),
        uses=frozenset(other for path in paths for other in rooms_of_the_bot_in(path)) - {name, "demo"},
    )


def _heads(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def _says(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    sentence = re.split(r"(?<=[.!?])\s", text.split("\n\n")[0].strip(), maxsplit=1)[0]
    return " ".join(sentence.split())
