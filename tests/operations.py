"""Operations for tests, where only what matters is spelled out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from bot.operations.operation import (
    AccountFacts,
    EndReason,
    Operation,
    OperationKind,
    OperationState,
    Outcome,
    Wanted,
)
from tests.conftest import NOW
from tests.episodes import moments, names, user_ids


def operation(
    kind: OperationKind = OperationKind.INVITE,
    name: str = "chen",
    *,
    by: str = "Lin",
    at: datetime = NOW,
    wx: str = "",
    nickname: str = "",
    status: str = "idle",
    **fields: Any,
) -> Operation:
    """Return a completed operation on an account that was in a state."""
    key = f"{name}@harbour_tea"
    before = None if kind is OperationKind.ADD else AccountFacts(key, name.capitalize(), status=status)
    invite_wx = wx or (f"{name}_example" if kind is OperationKind.INVITE else "")
    identity = f"{kind}-{key}-{at.timestamp()}"
    values: dict[str, Any] = {
        "id": identity,
        "account_key": key,
        "wanted": Wanted(key, nickname, invite_wx),
        "user_id": f"U0{by.upper()}",
        "user_name": by,
        "asked_at": at,
        "lease_until": None,
        "state": OperationState.DONE,
        "before": before,
        "submission": identity,
    }
    return Operation(kind=kind, **values | fields)


facts = st.builds(
    AccountFacts,
    kf_account=names,
    kf_nick=names,
    kf_id=names,
    status=st.sampled_from(["idle", "rejected", "expired", "bound", ""]),
    kf_wx=names,
    invite_wx=names,
    expires_at=st.none() | moments,
)
operations = st.builds(
    Operation,
    id=st.uuids().map(str),
    kind=st.sampled_from(OperationKind),
    account_key=names,
    wanted=st.builds(Wanted, names, names, names),
    user_id=user_ids,
    user_name=names,
    asked_at=moments,
    lease_until=st.none(),
    state=st.sampled_from(OperationState),
    before=st.none() | facts,
    outcome=st.builds(
        Outcome,
        reason=st.none() | st.sampled_from(EndReason),
        errcode=st.none() | st.sampled_from([0, 40132, 45009, 48001, 65409, 65413]),
        expires_at=st.none() | moments,
    ),
)
