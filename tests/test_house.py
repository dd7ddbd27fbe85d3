"""The layout: packages are on floors, and import from lower floors only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS: dict[str, int] = {
    "escaping": -1,  # for the log, and for a terminal before any package is imported
    "ports": 0,
    "sharing": 0,
    "logs": 0,
    "manifest": 0,
    "hosting": 0,
    "quiet": 0,
    "settings": 1,
    "tasks": 1,
    "viewers": 1,
    "membership": 1,
    "episodes": 1,
    "outages": 1,
    "heartbeat": 1,
    "deadlines": 2,
    "hands": 2,
    "health": 2,
    "invitations": 3,
    "outbox": 3,
    "grammar": 3,
    "metrics": 3,
    "marks": 4,
    "store": 4,
    "ledger": 5,
    "recovery": 5,
    "slack": 5,
    "status": 3,
    "text": 0,
    "accounts": 5,
    "blocks": 6,
    "acts": 6,
    "actions": 4,
    "web": 6,
    "commands": 7,
    "health_log": 7,
    "delivery": 7,
    "watch": 7,
    "desk": 8,
    "parts": 9,
    "console": 10,
    "doctor": 10,
    "app": 10,
    "environment": 10,
    "dependencies": 10,
    "streams": 10,
    "__main__": 11,
}
ONLY_IN: dict[str, set[str]] = {
    "slack_bolt": {"slack", "demo"},
    "slack_sdk": {"slack", "demo"},
    "aiohttp": {"web", "slack", "demo"},
    "httpx": {"parts", "heartbeat"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "prometheus_client": {"metrics"},
    "rich": {"console"},
    "dotenv": {"environment"},
}


@cache
def rooms() -> list[tuple[str, Path]]:
    paths = sorted((ROOT / "bot").rglob("*.py"))
    return [
        (path.relative_to(ROOT / "bot").with_suffix("").parts[0], path)
        for path in paths
        if path != ROOT / "bot" / "__init__.py"
    ]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def rooms_of_the_bot_in(path: Path) -> set[str]:
    return {
        name.split(".")[1] for name in imports(path) if name.startswith("bot.") and name.split(".")[1] in known()
    }


def known() -> set[str]:
    return {room for room, _ in rooms()}


def test_every_package_has_its_floor():
    assert known() == {*FLOORS, "demo"}


@pytest.mark.parametrize(("room", "path"), [pair for pair in rooms() if pair[0] != "demo"], ids=str)
def test_packages_import_from_lower_floors_only(room, path):
    for other in rooms_of_the_bot_in(path) - {room}:
        if room == "__main__" and other == "demo":
            continue
        assert FLOORS[other] < FLOORS[room], f"{room} imports {other}"


@pytest.mark.parametrize(("room", "path"), rooms(), ids=str)
def test_libraries_are_imported_by_their_packages_only(room, path):
    for name in imports(path):
        assert room in ONLY_IN.get(name.split(".")[0], {room}), f"{path} imports {name}"


def test_demo_is_imported_by_the_command_line_only():
    users = {room for room, path in rooms() if "demo" in rooms_of_the_bot_in(path)}
    assert users <= {"__main__", "demo"}


@pytest.mark.parametrize("path", sorted((ROOT / "wechat_kf").rglob("*.py")), ids=str)
def test_client_imports_nothing_of_the_bot(path):
    names = list(imports(path))
    assert not [name for name in names if name.split(".")[0] == "bot"]
    if path.name not in ("client.py", "tokens.py"):
        assert "httpx" not in [name.split(".")[0] for name in names]


def test_environment_variables_are_read_by_the_command_line_only():
    for room, path in rooms():
        if room not in ("__main__", "environment", "demo"):
            assert "os" not in [name.split(".")[0] for name in imports(path)], path
