"""The accounts behind `fixtures/messages`, the messages themselves, and reads of other accounts."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.accounts import Snapshot
from bot.alerting.episode import AlertPolicy
from bot.blocks.answers import replies
from bot.blocks.context import RenderContext
from bot.ports import Message
from tests.accounts import account, bound, invited
from tests.conftest import NOW
from wechat_kf import KfAccount, KfList

LEADS = (timedelta(hours=24), timedelta(hours=6), timedelta(hours=1))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CONTEXT = RenderContext(policy=AlertPolicy(leads=LEADS), poll=5 * MINUTE)
# Answers to anybody whose language is not known.
READING, RESTARTING, FAILED, DATABASE_AWAY, OUT_OF_DATE, NOT_CHECKED = (
    answer(CONTEXT)
    for answer in (
        replies.reading,
        replies.restarting,
        replies.failed,
        replies.database_away,
        replies.out_of_date,
        replies.admission_not_checked,
    )
)


def sample(name: str) -> dict[str, Any]:
    """Return a message as it was designed, without the Share button, which is not built."""
    path = Path(__file__).parent / "fixtures" / "messages" / f"{name}.json"
    message: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for block in message["blocks"]:
        if block["type"] == "actions":
            block["elements"] = [part for part in block["elements"] if part["action_id"] != "kf.share"]
    return message


def dated(words: str, token: str) -> str:
    """Put words into a date token, before the moment."""
    return token.replace("^{", f"^{words}{{", 1).replace("|", f"|{words}", 1)


def undated(text: str) -> str:
    """Replace each date token by its fallback, which is what the fallback text of a message has."""
    return re.sub(r"<!date\^\d+\^[^|>]*\|([^>]*)>", r"\1", text)


def shown(message: Message) -> list[str]:
    """Return the texts of the blocks, in order; buttons by their captions, menus by their placeholders."""
    parts = [part for block in message.blocks for part in (block, *block.get("elements", ()))]
    texts = [part.get("text") or part.get("placeholder") for part in parts]
    return [text if isinstance(text, str) else text["text"] for text in texts if text]


def actions(message: Message) -> dict[str, Any]:
    """Return the buttons and menus, by action_id."""
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    return {part["action_id"]: part for row in rows for part in row}


def reading(*accounts: KfAccount, unreadable: int = 0) -> Snapshot:
    return Snapshot.of(KfList(accounts, unreadable), NOW, CONTEXT.policy)


def named(name: str, nick: str, wx: str = "someone_wx") -> KfAccount:
    return account(name, kf_nick=nick, kf_wx=wx)


def declined(name: str, nick: str, wx: str = "someone_wx", until: int | None = None) -> KfAccount:
    expires_in = None if until is None else datetime.fromtimestamp(until, UTC) - NOW
    return invited(name, wx=wx, status="rejected", expires_in=expires_in, kf_nick=nick, kf_id="2003")


def open_until(name: str, nick: str, until: int, wx: str = "someone_wx") -> KfAccount:
    return invited(name, wx=wx, expires_in=datetime.fromtimestamp(until, UTC) - NOW, kf_nick=nick)


def crowd(number: int) -> list[KfAccount]:
    """Return bound accounts with names that sort after all others."""
    return [account(f"star{index:02}", kf_nick=f"☆ {index:02}", kf_wx="star_wx") for index in range(number)]


def patient(number: int) -> list[KfAccount]:
    """Return invitations with days to go."""
    return [invited(f"wen{index}", expires_in=50 * HOUR + index * MINUTE) for index in range(number)]


BO = open_until("bo", "小波", 1795398780, "bo_example")
CHEN = declined("chen", "Chen", "chen_example", 1795428000)
NIGHT = declined("night1", "夜班一号", "wx_night_01")
DEE = invited("dee", wx="dee_example", status="expired", expires_in=-2 * DAY)
LIN = open_until("lin", "林晓", 1795461120, "lin_xiao88")
EVE = account("eve", kf_id="2005")
NOON = account("noon", kf_nick="午班")
ANNA = bound("anna", "anna_example")
NO_DEADLINE = invited("kf2008", wx="kf08_example", expires_in=None, kf_nick="客服 08")

DUE = (LIN, DEE, NIGHT, BO, CHEN)
FORTY = (*crowd(29), *DUE, EVE, NOON, *patient(4))
HUNDRED = (
    *crowd(95),
    EVE,
    NOON,
    NO_DEADLINE,
    open_until("momo", "Momo", 1795687201),
    open_until("lin", "林晓", 1795687200),
)
FORTY_THREE = (
    *crowd(23),
    *DUE,
    declined("iris", "Iris"),
    *patient(4),
    NO_DEADLINE,
    open_until("momo", "Momo", 1795659120, "momo_cs"),
    open_until("wangfang", "王芳", 1795655520, "wf_1990"),
    NOON,
    EVE,
    named("promo", "<!channel> *sale*", "promo_example"),
    named("jia", "Jia", "jia_example"),
    named("fan", "Fan", "fan_example"),
    named("chenshifu", "陈师傅", "shifu_chen"),
    ANNA,
)
