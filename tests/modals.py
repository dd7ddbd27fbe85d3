"""Operations and accounts for tests of modals, the modals as they were designed, and how one is judged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from bot.blocks.answers.account_details import account_details
from bot.blocks.context import RenderContext
from bot.blocks.modals.form_parts import Repetition
from bot.blocks.modals.forms import add_form, delete_form, invite_form, rename_form
from bot.blocks.modals.modal_view import details_view, reading_view
from bot.blocks.modals.operation_results import operation_view, restarting_view
from bot.blocks.modals.pick import blocked_view, pick_form
from bot.demo import blockkit
from bot.language import Language
from bot.operations.fields import FieldError, FieldProblem
from bot.operations.operation import (
    AccountFacts,
    EndReason,
    Operation,
    OperationKind,
    OperationState,
    Outcome,
    Wanted,
)
from bot.ports import View
from tests.conftest import NOW
from tests.samples import CONTEXT, FORTY, reading
from wechat_kf.advice import ADVICE

CHANNEL = "C0CARE"
RID = "6740a1b2-11223344-5566778b"
IN = {Language.ENGLISH: CONTEXT, Language.CHINESE: replace(CONTEXT, language=Language.CHINESE)}
UNTIL = datetime.fromtimestamp(1795655640, UTC)
INVITE, ADD, RENAME, DELETE = OperationKind

CHEN = AccountFacts("chen@harbour_tea", "Chen", "2003", "rejected", invite_wx="chen_example")
DEE = AccountFacts("dee@harbour_tea", "Dee", "2004", "expired", invite_wx="dee_example")
EVE = AccountFacts("eve@harbour_tea", "Eve", "2005", "idle")
BO = AccountFacts(
    "bo@harbour_tea",
    "小波",
    "2002",
    "waiting",
    invite_wx="bo_example",
    expires_at=datetime.fromtimestamp(1795398780, UTC),
)
ANNA = AccountFacts("anna@harbour_tea", "Anna", "2001", "bound", kf_wx="anna_example")
NIGHT = AccountFacts("night1@harbour_tea", "Night 1", "2006", "bound", kf_wx="night_example")


def operation(kind: OperationKind = INVITE, **fields: Any) -> Operation:
    """Return an operation: an invitation of Chen again, Eve added, Night 1 renamed, or Anna deleted."""
    wanted, before = {
        INVITE: (Wanted(CHEN.kf_account, invite_wx="chen_example"), CHEN),
        ADD: (Wanted("eve@harbour_tea", nickname="Eve"), None),
        RENAME: (Wanted(NIGHT.kf_account, nickname="夜班一号"), NIGHT),
        DELETE: (Wanted(ANNA.kf_account), ANNA),
    }[kind]
    values: dict[str, Any] = {
        "id": "a71c09e2b4d5",
        "kind": kind,
        "account_key": wanted.kf_account,
        "wanted": wanted,
        "before": before,
        "user_id": "U0LIN",
        "user_name": "lin",
        "asked_at": NOW,
        "lease_until": NOW,
        "episode_id": "9f2c41d07be3" if kind is INVITE else "",
    }
    return Operation(**values | fields)


def ended(kind: OperationKind, state: OperationState = OperationState.DONE, **outcome: Any) -> Operation:
    return operation(kind, state=state, outcome=Outcome(**outcome))


REFUSED, FAILED = OperationState.REFUSED, OperationState.FAILED
# What each problem says besides its kind.
MORE: dict[FieldProblem, dict[str, Any]] = {
    FieldProblem.ANSWERS_HERE: {"account": ANNA},
    FieldProblem.INVITED_ALREADY: {"account": BO},
    FieldProblem.STILL_OPEN: {"at": UNTIL},
    FieldProblem.OTHER_SUFFIX: {"words": "harbour_tea"},
    FieldProblem.NOT_TYPED: {"words": "anna@harbour_tea"},
    FieldProblem.NAME_TOO_LONG: {"number": 17},
    FieldProblem.IN_PROGRESS: {"words": "lin", "at": NOW},
    FieldProblem.CHANGED: {"words": "bound"},
    FieldProblem.TOO_MANY: {"number": 20, "at": NOW},
}
ERRORS = {problem: FieldError(problem, **MORE.get(problem, {})) for problem in FieldProblem}


def forms(context: RenderContext, repetition: Repetition | None = None, **more: Any) -> Iterator[View]:
    """Render every form."""
    fields: dict[str, Any] = {"channel": CHANNEL, "repetition": repetition, **more}
    for facts in (CHEN, DEE, EVE):
        yield invite_form(facts, NOW, context, **fields)
    for suffix in ("harbour_tea", ""):
        yield add_form(context, suffix=suffix, number=40, **fields)
    for facts in (NIGHT, BO, EVE):
        yield rename_form(facts, NOW, context, **fields)
        yield delete_form(facts, NOW, context, conversations=1, **fields)


def results(context: RenderContext) -> Iterator[View]:
    """Render every state and outcome of every operation."""
    outcomes = [
        Outcome(reason, error=error) for reason in (None, *EndReason) for error in ("time-out", "HTTP 502", "")
    ]
    outcomes += [Outcome(EndReason.ERRCODE, errcode=errcode, rid=RID) for errcode in (*ADVICE, 99999)]
    outcomes += [Outcome(errcode=0, expires_at=UNTIL, is_listed=listed) for listed in (True, False)]
    for kind, state, outcome in product(OperationKind, OperationState, outcomes):
        shown = operation(kind, state=state, outcome=outcome)
        yield operation_view(shown, NOW, context, channel=CHANNEL, number=2)
    for kind in OperationKind:
        yield restarting_view(operation(kind), CHANNEL, context)


def every_modal(context: RenderContext) -> Iterator[View]:
    yield from forms(context)
    yield from forms(context, refused_at=NOW)
    for error in ERRORS.values():
        yield from forms(context, Repetition(2, error=error, facts=["errcode 65409"]))
    yield from results(context)
    read = reading(*FORTY)
    yield pick_form(read.rows, context)
    yield pick_form(read.rows, context, searched="chem")
    yield pick_form([row for row in read.rows if row.status == "bound"], context)
    yield pick_form([], context)
    for facts in (
        BO,
        ANNA,
        replace(EVE, status="unknown"),
        replace(EVE, status="removed"),
        replace(BO, expires_at=None),
    ):
        yield blocked_view(facts, NOW, context)
    for kind in (None, *OperationKind):
        yield reading_view(context, kind)
    for row in read.rows:
        message = account_details(read, row, [], replace(context, operations=True, history=True))
        yield details_view(message, row.account.key, context)


def designed(name: str, language: Language) -> dict[str, Any]:
    """Return a modal, or an answer, as it was designed."""
    suffix = ".zh" if language is Language.CHINESE else ""
    path = Path(__file__).parent / "fixtures" / "modals" / f"{name}{suffix}.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def redated(content: Any) -> Any:
    """Put the words that a date token begins with back before it, as the design has them."""
    text = json.dumps(content, ensure_ascii=False)
    text = re.sub(r"<!date\^([0-9]+)\^([^{|]*)(\{[^|]*)\|\2([^>]*)>", r"\2<!date^\1^\3|\4>", text)
    return json.loads(text)


def inputs(view: View) -> dict[str, Any]:
    """Return the fields by block_id."""
    return {block["block_id"]: block for block in view["blocks"] if block["type"] == "input"}


def texts(view: View) -> list[str]:
    """Return the texts of sections and grey lines, from top to bottom."""
    shown = [part for block in view["blocks"] for part in (block, *block.get("elements", ()))]
    return [
        part["text"] if isinstance(part["text"], str) else part["text"]["text"] for part in shown if "text" in part
    ]


def problems(view: View) -> Iterator[str]:
    """List what Slack would refuse in a modal, and a submit button without fields."""
    yield from blockkit.view_problems(view)
    if "submit" in view and not inputs(view):
        yield "a submit button without fields"
