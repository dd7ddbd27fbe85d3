"""The history of an account: its operations, joined with the history of its invitations. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.alerting.episode import AlertKind, Episode, EpisodeState
from bot.operations.operation import Operation, OperationKind, OperationState
from bot.operations.refusals import was_gone

PAGE = 10  # entries
SAME_DEADLINE = timedelta(minutes=2)  # WeChat may shift a deadline this much
LISTED_WITHIN = timedelta(hours=1)  # an invitation whose deadline is not known, after it was sent


@dataclass(frozen=True, slots=True)
class PastEpisode:
    """An episode, and when its problems were reported."""

    episode: Episode
    reported: Mapping[AlertKind, datetime]


class NoteKind(StrEnum):
    """What is known of an invitation at a moment."""

    FIRST_SEEN = "first seen"
    NOTICED = "noticed"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class EpisodeNote:
    """An entry about an invitation."""

    kind: NoteKind
    at: datetime
    episode: Episode
    state: EpisodeState = EpisodeState.WAITING  # that was seen or noticed


Entry = Operation | EpisodeNote


@dataclass(frozen=True, slots=True)
class AccountHistoryPage:
    """A page of a history, newest first; pages are counted from 1."""

    entries: tuple[Entry, ...] = ()
    number: int = 1
    has_next: bool = False
    account_key: str = ""  # "": of all accounts
    kf_nick: str = ""  # the newest one that is stored

    @classmethod
    def of_account(cls, account_key: str, entries: Sequence[Entry], number: int) -> AccountHistoryPage:
        """Cut a page out of all entries of an account; the last one if there are fewer."""
        number = max(1, min(number, -(-len(entries) // PAGE)))
        shown = tuple(entries[(number - 1) * PAGE : number * PAGE])
        kf_nick = next(filter(None, map(_name, entries)), "")
        return cls(shown, number, number * PAGE < len(entries), account_key, kf_nick)


def moment(entry: Entry) -> datetime:
    """Return when it happened; of an operation, when it was requested."""
    return entry.asked_at if isinstance(entry, Operation) else entry.at


def account_history(operations: Sequence[Operation], past: Sequence[PastEpisode]) -> list[Entry]:
    """Return the entries of an account, newest first.

    What an operation did is its entry: the invitation that it sent and the deletion are not listed again as seen.
    """
    notes = (note for one in past for note in _notes(one, operations))
    entries: list[Entry] = [*operations, *notes]
    return sorted(entries, key=moment, reverse=True)


def sent_by(operations: Sequence[Operation], episode: Episode) -> Operation | None:
    """Return the operation that sent an invitation; None if it was sent elsewhere."""
    return max((one for one in operations if _sent(one, episode)), key=moment, default=None)


def during(operations: Sequence[Operation], episode: Episode) -> list[Operation]:
    """Return the operations that belong to the history of an invitation: the one that sent it, and later ones."""
    sent = sent_by(operations, episode)
    return [one for one in operations if one is sent or one.asked_at > episode.first_seen]


def _sent(operation: Operation, episode: Episode) -> bool:
    if operation.kind is not OperationKind.INVITE or operation.state is not OperationState.DONE:
        return False
    if operation.wanted.invite_wx != episode.invite_wx or operation.asked_at > episode.first_seen:
        return False
    deadline = operation.outcome.expires_at
    if deadline is None or episode.expires_at is None:
        return episode.first_seen - operation.asked_at <= LISTED_WITHIN
    return abs(deadline - episode.expires_at) <= SAME_DEADLINE


def _notes(past: PastEpisode, operations: Sequence[Operation]) -> Iterator[EpisodeNote]:
    """Return the entries of an invitation. Its replacement is the first entry of the next one, or an operation."""
    episode = past.episode
    states = {EpisodeState(kind): at for kind, at in past.reported.items() if kind is not AlertKind.EXPIRING}
    if episode.state not in (EpisodeState.WAITING, EpisodeState.REPLACED) and not _deleted(operations, episode):
        states[episode.state] = episode.state_since
    if sent_by(operations, episode) is None:
        first = next((state for state, at in states.items() if at <= episode.first_seen), EpisodeState.WAITING)
        states.pop(first, None)
        yield EpisodeNote(NoteKind.FIRST_SEEN, episode.first_seen, episode, first)
    for state, at in states.items():
        yield EpisodeNote(NoteKind.NOTICED, at, episode, state)
    if episode.acked:
        yield EpisodeNote(NoteKind.ACKNOWLEDGED, episode.acked.at, episode)


def _deleted(operations: Sequence[Operation], episode: Episode) -> bool:
    """Check whether the account is gone because of an operation."""
    return episode.state is EpisodeState.REMOVED and any(
        one.kind is OperationKind.DELETE
        and one.state is OperationState.DONE
        and not was_gone(one)
        and episode.first_seen <= one.asked_at <= episode.state_since
        for one in operations
    )


def _name(entry: Entry) -> str:
    if isinstance(entry, EpisodeNote):
        return entry.episode.kf_nick
    return name_after(entry)


def name_after(operation: Operation) -> str:
    """Return the name of the account after an operation; of one that does not exist yet, the name it would have."""
    before, wanted = operation.before, operation.wanted.nickname
    if before is None or (operation.kind is OperationKind.RENAME and operation.state is OperationState.DONE):
        return wanted
    return before.kf_nick
