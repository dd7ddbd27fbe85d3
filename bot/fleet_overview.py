"""Figures and open invitations of several Official Accounts, as the store knows them: values, order, search.

In code an Official Account is a *tenant*, and its handle in Slack a `slug`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus, UserAction
from bot.alerting.incidents import Incident
from bot.tenant_states import NEEDS_LINK, TenantState
from bot.text import fold

# The states of open invitations. WeChat alone knows who is bound, and who is not invited.
STORED_STATES = (AccountStatus.EXPIRING, AccountStatus.REJECTED, AccountStatus.EXPIRED, AccountStatus.WAITING)
MOST_NEAREST = 3
LONGEST = 64  # comparing is quadratic, and a name may be hostile


@dataclass(frozen=True, slots=True)
class TenantName:
    """An Official Account as people name it."""

    appid: str
    slug: str
    title: str  # foreign text; or ""
    folded: str = field(init=False, repr=False, compare=False)  # all of them, for searches and for the order

    def __post_init__(self) -> None:
        words = (self.title or self.slug, self.slug, self.appid)
        object.__setattr__(self, "folded", "\n".join(map(fold, words)))


@dataclass(frozen=True, slots=True)
class TenantFigures:
    """The figures of an Official Account at its last poll. The defaults are those of one that was never polled."""

    accounts: int = 0
    read_at: datetime | None = None  # the last good poll
    failing_since: datetime | None = None  # the first of the failed polls since then
    incident: Incident | None = None  # only while it is open
    counts: Mapping[AccountStatus, int] = field(default_factory=dict)  # of the open invitations
    acknowledged: int = 0  # of those that need attention

    @property
    def due(self) -> int:
        """Count the accounts that need attention."""
        return self.count(NEEDS_ATTENTION)

    def count(self, states: Iterable[AccountStatus]) -> int:
        return sum(self.counts.get(state, 0) for state in states) if self.counts else 0


@dataclass(frozen=True, slots=True)
class TenantOverview:
    """An Official Account with its figures."""

    tenant: TenantName
    figures: TenantFigures = TenantFigures()
    state: TenantState = TenantState.ACTIVE

    @property
    def needs_attention(self) -> bool:
        return self.figures.incident is not None or self.figures.due > 0 or self.state in NEEDS_LINK


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """An open invitation of an account, with the state that it has now."""

    appid: str
    account_key: str
    kf_account: str
    kf_nick: str
    kf_id: str
    invite_wx: str
    expires_at: datetime | None
    status: AccountStatus
    owner: UserAction | None = None  # the user who acknowledged or snoozed it


@dataclass(frozen=True, slots=True)
class InvitationPage:
    """A page, counted from 1, of the open invitations of several Official Accounts."""

    rows: Sequence[OpenInvitation]
    number: int
    total: int
    read_at: datetime | None  # the oldest of the last good polls
    never_read: int = 0  # Official Accounts without a good poll


def worst_first(rows: Iterable[TenantOverview]) -> list[TenantOverview]:
    """Sort: unreadable ones, then by what needs attention and is not acknowledged, then those never read.

    Those that are not polled any more, and of which nothing is expected, come last.
    """
    return sorted(rows, key=_place)


def _place(row: TenantOverview) -> tuple[object, ...]:
    figures, due = row.figures, row.figures.due
    return (
        figures.incident is None and row.state not in NEEDS_LINK,
        not row.state.is_polled and row.state not in NEEDS_LINK,
        figures.acknowledged - due,
        -due,
        figures.read_at is not None,
        row.tenant.folded,
    )


def choose(
    rows: Iterable[TenantOverview],
    states: Sequence[AccountStatus] = (),
    text: str = "",
    tenant_state: TenantState | None = None,
) -> list[TenantOverview]:
    """Return the rows with an account in one of the states, and with the text in their name, handle or AppID.

    Args:
        tenant_state: of the Official Account itself; None for any.
    """
    wanted = fold(text).removeprefix("@")
    return [
        row
        for row in rows
        if (not states or row.figures.count(states) or (states == NEEDS_ATTENTION and row.needs_attention))
        and wanted in row.tenant.folded
        and tenant_state in (None, row.state)
    ]


def nearest_tenants(word: str, visible: Iterable[TenantName]) -> list[TenantName]:
    """Return those of the visible Official Accounts whose handle or name has the most similar spelling."""
    spelled: dict[str, TenantName] = {}
    for tenant in visible:
        title, slug, _ = tenant.folded.split("\n")
        for name in (slug, title):
            spelled.setdefault(name[:LONGEST], tenant)
    close = difflib.get_close_matches(fold(word)[:LONGEST], spelled, n=2 * MOST_NEAREST)
    return list(dict.fromkeys(spelled[name] for name in close))[:MOST_NEAREST]
