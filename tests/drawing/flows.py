"""The two flows: which module hands what to which. Every arrow is an import, a named port, or a library's."""

from __future__ import annotations

import importlib
import itertools
from dataclasses import dataclass
from typing import Any

from tests.drawing.house import path_of
from tests.test_house import imports


@dataclass(frozen=True, slots=True)
class Port:
    """A name by which a caller asks for something that is handed to it: it does not import who answers."""

    name: str  # of a Protocol or a Callable, in the namespace of the caller
    fits: str = ""  # `module:Class` of what is handed in, if `name` is a Protocol
    by_way_of: tuple[str, ...] = ("bot.parts",)  # the modules that hand it on: each knows its neighbours


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one module to another, or to the outside. `by` tells how: an import unless it is said."""

    source: str
    target: str
    says: str
    by: Port | str = ""  # a port; or the library that speaks with the outside


@dataclass(frozen=True, slots=True)
class Flow:
    name: str
    title: str
    arrows: tuple[Arrow, ...]


OUTSIDE = ("Slack", "WeChat", "database")
DISPATCH = Port("Dispatch", by_way_of=("bot.app",))
ANSWERS = Port("Answers", "bot.desk:Desk", ("bot.app",))
ACCOUNTS = Port("Accounts", "wechat_kf:KfClient")
ACCOUNTS_OF_THE_DESK = Port("Accounts", "wechat_kf:KfClient", ("bot.desk", "bot.app", "bot.parts"))
CHANNEL = Port("Channel", "bot.slack:SlackChannel")
FLOWS = (
    Flow(
        "command",
        "A slash command",
        (
            Arrow("Slack", "bot.web", "POST /slack/events", "aiohttp"),
            Arrow("bot.web.guard", "bot.slack.dispatch", "what the guard lets through", DISPATCH),
            Arrow("bot.slack.dispatch", "bot.slack.listeners", "what was signed", "slack_bolt"),
            Arrow("bot.slack.listeners", "bot.tasks", "acknowledge, start a task"),
            Arrow("bot.slack.listeners", "bot.desk", "words or a click", ANSWERS),
            Arrow("bot.desk", "bot.viewers", "who may read?"),
            Arrow("bot.desk", "bot.grammar", "words → Request"),
            Arrow("bot.desk", "bot.commands", "Request"),
            Arrow("bot.commands", "bot.sharing", "one read for all"),
            Arrow("bot.commands", "wechat_kf.client", "kf_list()", ACCOUNTS_OF_THE_DESK),
            Arrow("wechat_kf.client", "wechat_kf.protocol", "bytes → KfList"),
            Arrow("wechat_kf.client", "WeChat", "GET getkflist", "httpx"),
            Arrow("bot.commands", "bot.blocks", "accounts → Message"),
            Arrow("bot.slack.listeners", "bot.slack.replies", "Message"),
            Arrow("bot.slack.replies", "Slack", "POST response_url", "aiohttp"),
        ),
    ),
    Flow(
        "tick",
        "A tick of the watcher",
        (
            Arrow("bot.app", "bot.watch", "Loop: every 15 s"),
            Arrow("bot.watch", "bot.store", "claim the poll"),
            Arrow("bot.watch", "wechat_kf.client", "kf_list()", ACCOUNTS),
            Arrow("wechat_kf.client", "WeChat", "GET getkflist", "httpx"),
            Arrow("bot.watch.evaluation", "bot.invitations", "what is news?"),
            Arrow("bot.watch.evaluation", "bot.ledger", "changes"),
            Arrow("bot.ledger", "bot.outbox", "which messages?"),
            Arrow("bot.ledger", "bot.store", "states and messages, one transaction"),
            Arrow("bot.app", "bot.delivery", "Loop: woken by the tick", Port("Parts")),
            Arrow("bot.delivery.posts", "bot.store", "claim a message"),
            Arrow("bot.delivery.subject", "bot.blocks", "row → Message"),
            Arrow("bot.delivery.means", "bot.slack.posting", "post once", CHANNEL),
            Arrow("bot.slack.calls", "Slack", "chat.postMessage", "slack_sdk"),
        ),
    ),
)


def fault_of(arrow: Arrow) -> str:
    """Why the code does not bear an arrow out; "" when it does."""
    if isinstance(arrow.by, Port):
        return _port_fault(arrow.source, arrow.target, arrow.by)
    if arrow.by:
        inner = arrow.target if arrow.source in OUTSIDE else arrow.source
        return "" if _imports(inner, arrow.by) else f"{inner} does not import {arrow.by}"
    return "" if _imports(arrow.source, arrow.target) else f"{arrow.source} does not import {arrow.target}"


def _port_fault(source: str, target: str, port: Port) -> str:
    asked = getattr(importlib.import_module(source), port.name, None)
    if asked is None:
        return f"{source} knows no {port.name}"
    chain = [source, *port.by_way_of, target]
    for near, far in itertools.pairwise(chain):
        if not (_imports(near, _package(far)) or _imports(far, _package(near))):
            return f"neither of {near} and {far} imports the other"
    if not port.fits:
        return ""
    module, _, name = port.fits.partition(":")
    if not (target == module or target.startswith(f"{module}.")):
        return f"{port.fits} is not in {target}"
    given = getattr(importlib.import_module(module), name)
    lacking = [member for member in _members(asked) if not hasattr(given, member)]
    return f"{name} lacks {', '.join(lacking)} of {port.name}" if lacking else ""


def _package(module: str) -> str:
    """As much of a name as a neighbour uses: `bot.slack` of `bot.slack.listeners`."""
    return ".".join(module.split(".")[:2]) if module.startswith("bot.") else module.split(".")[0]


def _members(protocol: Any) -> list[str]:
    own = [base for base in protocol.__mro__ if getattr(base, "_is_protocol", False)]
    return sorted({name for base in own for name in vars(base) if not name.startswith("_")})


def _imports(source: str, target: str) -> bool:
    return any(name == target or name.startswith(f"{target}.") for name in imports(path_of(source)))
