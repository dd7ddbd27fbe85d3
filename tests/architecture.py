"""Generate the diagrams and tables of docs/architecture.md from the code: `make docs` writes the page."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PYPROJECT = ROOT / "pyproject.toml"
PAGE = ROOT / "docs" / "architecture.md"
GENERATED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.S)
OUTSIDE = ("Slack", "WeChat")


def _read_floors() -> dict[str, int]:
    """Return the floor of each package or module below `bot`, as the import contracts list them, from 1 up."""
    contracts = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "floors")
    return {name: floor for floor, layer in enumerate(reversed(layers), start=1) for name in layer.split(" | ")}


FLOORS = _read_floors()


@dataclass(frozen=True, slots=True)
class Port:
    """A type by which a caller names an argument, so that it need not import the module that implements it."""

    name: str  # of a Protocol or another type, in the namespace of the caller
    implementation: str = ""  # `module:Class`, if `name` is a Protocol


@dataclass(frozen=True, slots=True)
class Step:
    """A call from one module to another, or to or from the outside."""

    source: str
    target: str
    text: str
    by: Port | str = ""  # a port, or the library that connects to the outside; "" for an import


ACCOUNTS = Port("Accounts", "wechat_kf:KfClient")
CHANNEL = Port("Channel", "bot.slack.channel:SlackChannel")
INTERACTIONS = Port("Interactions", "bot.interactions.handler:InteractionHandler")
FLOWS: Mapping[str, tuple[Step, ...]] = {
    "command": (
        Step("Slack", "bot.web.server", "POST /slack/events", "aiohttp"),
        Step("bot.web.guard", "bot.slack.bolt_app", "a valid request", Port("Dispatch")),
        Step("bot.slack.bolt_app", "bot.slack.listeners", "a Bolt request", "slack_bolt"),
        Step("bot.slack.listeners", "bot.runtime.tasks", "acknowledge, start a task"),
        Step("bot.slack.listeners", "bot.interactions.handler", "the text or the click", INTERACTIONS),
        Step("bot.interactions.handler", "bot.interactions.access", "may this user read?"),
        Step("bot.interactions.handler", "bot.interactions.readers", "whose language?"),
        Step("bot.interactions.handler", "bot.requests", "text → Request"),
        Step("bot.interactions.handler", "bot.interactions.commands", "Request"),
        Step("bot.interactions.commands", "bot.interactions.account_reader", "read"),
        Step("bot.interactions.account_reader", "bot.runtime.single_flight", "share one poll"),
        Step("bot.interactions.account_reader", "wechat_kf.client", "kf_list()", ACCOUNTS),
        Step("wechat_kf.client", "wechat_kf.protocol", "bytes → KfList"),
        Step("wechat_kf.client", "WeChat", "GET getkflist", "httpx"),
        Step("bot.interactions.commands", "bot.blocks.answers", "accounts → Message"),
        Step("bot.slack.listeners", "bot.slack.response_url", "Message"),
        Step("bot.slack.response_url", "Slack", "POST response_url", "aiohttp"),
    ),
    "tick": (
        Step("bot.poll_loop", "bot.store.claims", "claim the polls that are due"),
        Step("bot.poll_loop", "bot.watcher.poller", "poll, each in a slot", Port("Services")),
        Step("bot.watcher.poller", "wechat_kf.client", "kf_list()", ACCOUNTS),
        Step("wechat_kf.client", "WeChat", "GET getkflist", "httpx"),
        Step("bot.watcher.ingest", "bot.alerting.lifecycle", "compute state and events"),
        Step("bot.watcher.ingest", "bot.recorder", "changes"),
        Step("bot.recorder", "bot.outbox.planner", "events → messages"),
        Step("bot.recorder", "bot.store.outbox", "save states and messages, one transaction"),
        Step("bot.loops", "bot.poll_loop", "run"),
        Step("bot.loops", "bot.delivery.cycle", "run after each poll", Port("Services")),
        Step("bot.delivery.sender", "bot.store.outbox", "claim a message"),
        Step("bot.delivery.item", "bot.blocks.channel", "row → Message"),
        Step("bot.delivery.dependencies", "bot.slack.channel", "post once", CHANNEL),
        Step("bot.slack.web_api", "Slack", "chat.postMessage", "slack_sdk"),
    ),
}


def page(text: str) -> str:
    """Replace the generated parts of the page."""
    parts = {"floors": _floors, "client": _client, **dict.fromkeys(FLOWS, _flow)}
    return GENERATED.sub(
        lambda match: f"{match[1]}\n{parts[match[2]](match[2])}\n\n{match[3]}",
        text,
    )


def packages() -> dict[str, set[str]]:
    """Return the packages and modules directly below `bot` that have a floor, each with those that it imports."""
    uses: dict[str, set[str]] = {name: set() for name in FLOORS}
    for path in (ROOT / "bot").rglob("*.py"):
        name = path.relative_to(ROOT / "bot").parts[0].removesuffix(".py")
        if name in uses:
            heads = (target.split(".")[1] for target in _imports(path) if target.startswith("bot."))
            uses[name] |= {head for head in heads if head in FLOORS and head != name}
    return uses


def reduced(uses: Mapping[str, Iterable[str]]) -> set[tuple[str, str]]:
    """Return the imports without those that follow from a longer path. There is no cycle: the floors forbid it."""
    reachable: dict[str, set[str]] = {}

    def reach(name: str) -> set[str]:
        if name not in reachable:
            reachable[name] = {far for near in uses.get(name, ()) for far in (near, *reach(near))}
        return reachable[name]

    return {
        (name, near)
        for name, all_near in uses.items()
        for near in all_near
        if not any(near in reach(other) for other in set(all_near) - {near})
    }


def fault_of(step: Step) -> str:
    """Return why the code has no such step, or ""."""
    if isinstance(step.by, Port):
        return _port_fault(step.source, step.target, step.by)
    if step.by:
        inner = step.target if step.source in OUTSIDE else step.source
        return "" if _uses(inner, step.by) else f"{inner} does not import {step.by}"
    return "" if _uses(step.source, step.target) else f"{step.source} does not import {step.target}"


def _port_fault(source: str, target: str, port: Port) -> str:
    protocol = getattr(importlib.import_module(source), port.name, None)
    if protocol is None:
        return f"{source} has no {port.name}"
    if not port.implementation:
        return ""
    module, _, name = port.implementation.partition(":")
    if not f"{target}.".startswith(f"{module}."):
        return f"{port.implementation} is not in {target}"
    implementation: Any = getattr(importlib.import_module(module), name)
    bases = [base for base in protocol.__mro__ if getattr(base, "_is_protocol", False)]
    members = sorted({member for base in bases for member in vars(base) if not member.startswith("_")})
    lacking = [member for member in members if not hasattr(implementation, member)]
    return f"{name} lacks {', '.join(lacking)} of {port.name}" if lacking else ""


def _floors(_: str) -> str:
    lines = ["```mermaid", "flowchart TB"]
    rows = ["| floor | package or module | content |", "| --- | --- | --- |"]
    for number, floor in enumerate(sorted(set(FLOORS.values()), reverse=True)):
        names = sorted(name for name in FLOORS if FLOORS[name] == floor)
        lines += [
            f'  subgraph floor_{number}["floor {floor}"]',
            *(f'    m_{name}["{name}"]' for name in names),
            "  end",
        ]
        rows += [f"| {floor} | `{name}` | {_summary(f'bot.{name}')} |" for name in names]
    lines += [f"  m_{name} --> m_{near}" for name, near in sorted(reduced(packages()))]
    return "\n".join([*lines, "```", "", *rows])


def _client(_: str) -> str:
    paths = sorted((ROOT / "wechat_kf").iterdir())
    names = [path.stem for path in paths if path.suffix == ".py" and path.stem != "__init__"]
    names += [path.name for path in paths if (path / "__init__.py").is_file()]
    rows = [f"| `{name}` | {_summary(f'wechat_kf.{name}')} |" for name in sorted(names)]
    return "\n".join(["| module | content |", "| --- | --- |", *rows])


def _flow(name: str) -> str:
    """Draw a flow between packages, with a table that names the modules and how they are connected."""
    lines = ["```mermaid", "sequenceDiagram", "  autonumber"]
    ends = [_package(end) for step in FLOWS[name] for end in (step.source, step.target)]
    lines += [f"  participant {end.replace('.', '_')} as {end}" for end in dict.fromkeys(ends)]
    rows = ["| | from | to | what | how |", "| --- | --- | --- | --- | --- |"]
    for number, step in enumerate(FLOWS[name], start=1):
        source, target = (_package(end).replace(".", "_") for end in (step.source, step.target))
        lines.append(f"  {source}->>{target}: {step.text}")
        how = f"port `{step.by.name}`" if isinstance(step.by, Port) else f"`{step.by}`" if step.by else "import"
        rows.append(f"| {number} | `{step.source}` | `{step.target}` | {step.text} | {how} |")
    return "\n".join([*lines, "```", "", *rows])


def _package(module: str) -> str:
    return ".".join(module.split(".")[:2]) if module.startswith("bot.") else module.split(".")[0]


def _summary(module: str) -> str:
    """Return the first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(_path_of(module).read_text(encoding="utf-8"))) or ""
    return " ".join(re.split(r"(?<=[.!?])\s", text.split("\n\n")[0].strip(), maxsplit=1)[0].split())


def _uses(module: str, target: str) -> bool:
    return any(f"{name}.".startswith(f"{target}.") for name in _imports(_path_of(module)))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _path_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"Wrote {PAGE.name}")
