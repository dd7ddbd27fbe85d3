"""A submitted form: what the person typed, and the operation that it asks for. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from bot.blocks.modals.inputs import field_of
from bot.operations.fields import (
    FieldError,
    FieldProblem,
    check_typed,
    parse_account,
    parse_name,
    parse_wechat_id,
)
from bot.operations.operation import AccountFacts, OperationKind, Wanted
from bot.ports import Submission
from bot.view_metadata import FormMetadata


@dataclass(frozen=True, slots=True)
class Form:
    """A submitted form, with the account that it is about."""

    submission: Submission
    metadata: FormMetadata
    before: AccountFacts | None  # None for an account that is to be added

    @property
    def kind(self) -> OperationKind:
        return self.metadata.kind

    def typed(self, field: str) -> str:
        return next((text for one, text in self.submission.values.items() if field_of(one) == field), "")


def wanted_of(form: Form) -> Wanted | FieldError:
    """Return what the person asked for, or the error of a field."""
    before = form.before
    match form.kind:
        case OperationKind.ADD:
            account = parse_account(form.typed("account"), form.metadata.suffix)
            name = parse_name(form.typed("name"))
            error = next((one for one in (account, name) if isinstance(one, FieldError)), None)
            return error or Wanted(str(account), nickname=str(name))
        case OperationKind.INVITE if before:
            wx = parse_wechat_id(form.typed("wx"))
            return wx if isinstance(wx, FieldError) else Wanted(before.kf_account, invite_wx=wx)
        case OperationKind.RENAME if before:
            name = parse_name(form.typed("name"), before.kf_nick)
            return name if isinstance(name, FieldError) else Wanted(before.kf_account, nickname=name)
        case OperationKind.DELETE if before:
            return check_typed(form.typed("typed"), before.kf_account) or Wanted(before.kf_account)
    return FieldError(FieldProblem.OUT_OF_DATE)


def key_of(submission: Submission) -> str:
    """Return what two submissions of one click have in common.

    After an error at a field the view keeps its `hash`, so the values count, too.
    """
    values = json.dumps(dict(submission.values), sort_keys=True)
    digest = hashlib.sha256(values.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{submission.view_id}:{submission.version}:{digest}"
