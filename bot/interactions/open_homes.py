"""Which people may have App Home open: Slack reports that it is opened, and never that it closes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.actions import HomeList

OPEN_SECONDS = 600.0  # after an opening or a click
MOST_PEOPLE = 20  # whose board follows changes


@dataclass(frozen=True, slots=True)
class HomeRequest:
    """A board to publish."""

    listed: HomeList
    is_first: bool = False  # Slack shows this person no view yet
    follows_change: bool = False  # the person has not asked for it


@dataclass(slots=True)
class OpenHome:
    """The board of one person."""

    user_id: str
    opened_at: float
    listed: HomeList = field(default_factory=HomeList)
    version: str = ""  # Slack's `hash` of the view that was published last
    published_at: float = float("-inf")
    is_running: bool = False
    waiting: HomeRequest | None = None  # the next one, while one is being published
    is_scheduled: bool = False  # a change will be published

    def ask(self, request: HomeRequest) -> bool:
        """Take a request. Return whether to publish it now; else it waits, in place of another one.

        One that follows a change never replaces one that the person has made: that one shows the change, too.
        """
        if not self.is_running:
            self.is_running = True
            return True
        if self.waiting is None or not request.follows_change:
            self.waiting = request
        return False

    def is_open(self, elapsed: float) -> bool:
        return elapsed - self.opened_at < OPEN_SECONDS


class OpenHomes:
    """The boards that may still be open, those opened last at the end."""

    def __init__(self) -> None:
        self._homes: OrderedDict[str, OpenHome] = OrderedDict()

    def open(self, user_id: str, elapsed: float) -> OpenHome:
        """Return the board of a person who opened it, or clicked in it, now."""
        home = self._homes.setdefault(user_id, OpenHome(user_id, elapsed))
        home.opened_at = elapsed
        self._homes.move_to_end(user_id)
        self._forget(elapsed)
        return home

    def open_now(self, elapsed: float) -> Iterator[OpenHome]:
        """Return the boards that follow changes."""
        newest = [*self._homes.values()][-MOST_PEOPLE:]
        return (home for home in newest if home.is_open(elapsed))

    def _forget(self, elapsed: float) -> None:
        """Forget the oldest boards. One that is being published stays: a second publish must wait for it."""
        kept = {home.user_id for home in self.open_now(elapsed)}
        for user_id in [one for one, home in self._homes.items() if one not in kept and not home.is_running]:
            del self._homes[user_id]
