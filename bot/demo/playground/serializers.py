"""The playground as the page reads it: plain values for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from bot.alerting.episode import AccountStatus
from bot.demo.playground.traffic import TrafficEntry
from bot.demo.slack_simulator import elements
from bot.demo.slack_simulator.open_views import View, Views
from bot.demo.slack_simulator.state import Message
from wechat_kf.simulator import World


def message(one: Message) -> dict[str, Any]:
    """Return a message with an ID for each block and element, as Slack adds them."""
    return {
        "channel": one.channel,
        "ts": one.ts,
        "user": one.user,
        "text": one.text,
        "blocks": elements.with_ids(one.blocks),
        "thread_ts": one.thread_ts,
        "broadcast": one.broadcast,
        "edited": one.marked and one.edits > 0,
        "only_for": one.only_for,
    }


def modal(views: Views, user: str) -> dict[str, Any]:
    """Return the view of the modal that a person has in front, and how many views the modal has."""
    stack = views.modals.get(user, [])
    return {"user": user, "view": {**_view(stack[-1]), "depth": len(stack)} if stack else None}


def home(one: View) -> dict[str, Any]:
    """Return the Home of a person."""
    return {"user": one.user, "view": _view(one)}


def _view(one: View) -> dict[str, Any]:
    return {
        "id": one.id,
        **{name: one.content.get(name) for name in ("title", "submit", "close")},
        "blocks": one.blocks,
        "values": one.state,
        "errors": one.errors,
        "failure": one.failure,
    }


def seats(wechat: World, appids: Iterable[str], now: datetime) -> list[dict[str, Any]]:
    """Return the tables of the consoles from WeChat's own rows."""
    return [
        _seat(appid, seat.key, row)
        for appid in appids
        for seat, row in zip(wechat[appid].seats, wechat[appid].rows(now), strict=True)
    ]


def _seat(appid: str, key: str, row: Mapping[str, Any]) -> dict[str, Any]:
    status = row.get("invite_status", "")
    state = "bound" if row.get("kf_wx") else status or "idle"
    return {
        "account": appid,
        "key": key,
        "kf_account": row["kf_account"],
        "kf_nick": row["kf_nick"],
        "kf_id": row["kf_id"],
        "state": state if state in set(AccountStatus) else "unknown",
        "kf_wx": row.get("kf_wx", ""),
        "invite_wx": row.get("invite_wx", ""),
        "deadline": row.get("invite_expire_time"),
    }


def entry(one: TrafficEntry) -> dict[str, Any]:
    """Return one entry of the list of requests."""
    return {
        "id": one.id,
        "at": one.at,
        "ms": one.ms,
        "from": one.from_,
        "to": one.to,
        "name": one.name,
        "status": one.status,
        "error": one.error,
        "request": one.request,
        "response": one.response,
    }
