"""Where the rooms of the house stand, so that few arrows cross. Pure, and the same each time.

Rooms stay on their floors. An arrow that passes floors gets a point on each of them; arrows to the same room share
their points, so that lines which meet lead to the same place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tests.drawing.house import Edge

Node = str  # a room's name; or `room@floor`, a point on the way down to it
SWEEPS = 60


@dataclass(frozen=True, slots=True)
class Plan:
    """Which nodes stand on which floor, from left to right, where their centres are, and what joins them."""

    floors: Mapping[int, Sequence[Node]]
    x: Mapping[Node, float]
    parts: Sequence[Edge]  # each joins a floor to the next one below


def plan(floors: Mapping[str, int], edges: Iterable[Edge], *, room: float, point: float, width: float) -> Plan:
    """Lay the rooms out. `room` and `point` are what each takes up, gaps included; all in one unit."""
    parts = sorted({part for upper, lower in edges for part in _parts(upper, lower, floors)})
    standing: dict[int, list[Node]] = {floor: [] for floor in set(floors.values())}
    for node in sorted({*floors, *(end for part in parts for end in part)}):
        standing[_floor(node, floors)].append(node)
    ordered = _ordered(standing, parts)
    sizes = {node: point if "@" in node else room for nodes in ordered.values() for node in nodes}
    return Plan(ordered, _placed(ordered, parts, sizes, width), parts)


def _floor(node: Node, floors: Mapping[str, int]) -> int:
    return int(node.partition("@")[2]) if "@" in node else floors[node]


def _parts(upper: str, lower: str, floors: Mapping[str, int]) -> Iterable[Edge]:
    stops = [upper, *(f"{lower}@{floor}" for floor in range(floors[upper] - 1, floors[lower], -1)), lower]
    return itertools.pairwise(stops)


def _neighbours(parts: Sequence[Edge], *, above: bool) -> dict[Node, list[Node]]:
    found: dict[Node, list[Node]] = {}
    for upper, lower in parts:
        here, there = (lower, upper) if above else (upper, lower)
        found.setdefault(here, []).append(there)
    return found


def _ordered(standing: Mapping[int, Sequence[Node]], parts: Sequence[Edge]) -> dict[int, list[Node]]:
    """Sort each floor by where its neighbours stand, down and up again; keep the order that crosses least."""
    order = {floor: list(nodes) for floor, nodes in standing.items()}
    best, fewest = {floor: list(nodes) for floor, nodes in order.items()}, _crossings(order, parts)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near = _neighbours(parts, above=down)
        rank = {node: index / max(1, len(nodes)) for nodes in order.values() for index, node in enumerate(nodes)}
        for floor in sorted(order, reverse=down):
            order[floor].sort(key=lambda node: (fmean(rank[one] for one in near.get(node, [node])), rank[node]))
            rank |= {node: index / max(1, len(order[floor])) for index, node in enumerate(order[floor])}
        if (crossings := _crossings(order, parts)) < fewest:
            best, fewest = {floor: list(nodes) for floor, nodes in order.items()}, crossings
    return best


def _crossings(order: Mapping[int, Sequence[Node]], parts: Sequence[Edge]) -> int:
    place = {node: (floor, index) for floor, nodes in order.items() for index, node in enumerate(nodes)}
    joined = [(place[upper], place[lower]) for upper, lower in parts]
    return sum(
        (one[0][1] - other[0][1]) * (one[1][1] - other[1][1]) < 0
        for index, one in enumerate(joined)
        for other in joined[index + 1 :]
        if one[0][0] == other[0][0]
    )


def _placed(
    order: Mapping[int, Sequence[Node]], parts: Sequence[Edge], sizes: Mapping[Node, float], width: float
) -> dict[Node, float]:
    """Draw every node towards its neighbours, as far as its floor has room."""
    x = {node: width * (index + 0.5) / len(nodes) for nodes in order.values() for index, node in enumerate(nodes)}
    both = [_neighbours(parts, above=above) for above in (True, False)]
    for sweep in range(SWEEPS):
        near = (
            both[sweep % 2]
            if sweep < SWEEPS - 2
            else {node: [*both[0].get(node, []), *both[1].get(node, [])] for node in x}
        )
        for floor in sorted(order, reverse=sweep % 2 == 0):
            nodes = order[floor]
            wished = [fmean([x[one] for one in near.get(node) or [node]]) for node in nodes]
            x |= zip(nodes, _apart(wished, [sizes[node] for node in nodes], width), strict=True)
    return x


def _apart(wished: Sequence[float], sizes: Sequence[float], width: float) -> list[float]:
    """The positions nearest to what is wished, in this order, none on another: pool adjacent violators."""
    offsets = [sum(sizes[:index]) + size / 2 for index, size in enumerate(sizes)]
    room = max(0.0, width - sum(sizes))
    pools: list[list[float]] = []
    for wish, offset in zip(wished, offsets, strict=True):
        pools.append([wish - offset])
        while len(pools) > 1 and fmean(pools[-2]) >= fmean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    levels = [min(max(fmean(pool), 0.0), room) for pool in pools for _ in pool]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]
