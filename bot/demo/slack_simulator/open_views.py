"""The modals that people have open, and their Homes. Which calls and clicks change them stays out.

https://docs.slack.dev/surfaces/modals
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any, Literal

from bot.demo.slack_simulator import elements, view_state
from bot.ports import Block, Clock

MAX_STACK = 3  # views in one modal
TROUBLE = "We had some trouble connecting. Try again?"  # over a modal whose submission failed

# "refused": errors came up at fields, or a line over the modal. "filled": a person changed a field or menu.
ViewChange = Literal["opened", "pushed", "updated", "published", "refused", "filled", "closed"]
ViewListener = Callable[[ViewChange, "View"], None]


@dataclass(frozen=True, slots=True)
class View:
    """A modal's view or a Home as one person sees it. Each change makes a new value with the same `id`."""

    id: str
    user: str
    content: Mapping[str, Any]  # as the app sent it
    hash: str
    blocks: Sequence[Block]  # with the IDs that Slack made up
    state: view_state.State
    root_view_id: str
    previous_view_id: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict)  # shown at fields, by block_id
    failure: str = ""  # shown over the blocks
    is_called: bool = False  # the content is of `views.update`, not of an acknowledgement

    @property
    def title(self) -> str:
        return str(self.content["title"]["text"]) if "title" in self.content else "Home"


@dataclass(slots=True)
class Trigger:
    """What a `trigger_id` stands for: one click or command, good for one modal."""

    user: str
    created: datetime
    view_id: str = ""  # of the modal's view that was clicked or submitted
    is_exchanged: bool = False


class Views:
    """Each person's stack of modal views, and their Home."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = count(1)
        self._listeners: list[ViewListener] = []
        self.modals: dict[str, list[View]] = {}  # by person, the visible one last; without a modal no entry
        self.homes: dict[str, View] = {}  # by person
        self.closed: set[str] = set()  # IDs of views that were open

    def on_change(self, listener: ViewListener) -> None:
        """Call `listener(change, view)` from now on."""
        self._listeners.append(listener)

    def clear(self) -> None:
        """Forget all views, as in a new workspace."""
        self.modals.clear()
        self.homes.clear()

    def visible(self, user: str) -> View | None:
        """Return the view of the modal that a person has in front."""
        return self.modals[user][-1] if user in self.modals else None

    def find(self, view_id: str, *, external: bool = False) -> View | None:
        """Return the present form of an open modal's view, by its ID or the app's own."""
        for view in (view for stack in self.modals.values() for view in stack):
            if view_id == (view.content.get("external_id") if external else view.id):
                return view
        return None

    def open(self, user: str, content: Mapping[str, Any]) -> View:
        """Open a modal. One that the person had open is gone."""
        if user in self.modals:
            self.close(self.modals[user][0])
        view = self._new(user, content, None)
        self.modals[user] = [view]
        return self._tell("opened", view)

    def push(self, user: str, content: Mapping[str, Any]) -> View:
        """Put a view on top of a person's open modal."""
        view = self._new(user, content, self.modals[user][-1])
        self.modals[user].append(view)
        return self._tell("pushed", view)

    def update(self, view: View, content: Mapping[str, Any], *, is_called: bool) -> View:
        """Replace the content of an open view, and its hash. Fields with the same IDs keep what is in them."""
        return self._put("updated", self._refilled(view, content, is_called=is_called))

    def publish(self, user: str, content: Mapping[str, Any]) -> View:
        """Replace a person's Home."""
        before = self.homes.get(user)
        view = self._refilled(before, content, is_called=True) if before else self._new(user, content, None)
        self.homes[user] = view
        return self._tell("published", view)

    def refuse(self, view: View, errors: Mapping[str, str], failure: str = "") -> View | None:
        """Show errors at the fields of an open view, or a failure over it; neither takes both away."""
        present = self.find(view.id)
        return present and self._put("refused", replace(present, errors=errors, failure=failure))

    def fill(self, view: View, state: view_state.State) -> View:
        """Keep what a person put into the fields and menus of a modal or Home."""
        return self._put("filled", replace(view, state=state))

    def close(self, view: View) -> None:
        """Close an open view, and those on top of it. That of the bottom is the whole modal."""
        stack = self.modals[view.user]
        at = next(at for at, one in enumerate(stack) if one.id == view.id)
        closed = stack[at:][::-1]
        del stack[at:]
        if not stack:
            del self.modals[view.user]
        for one in closed:
            self.closed.add(one.id)
            self._tell("closed", one)

    def _new(self, user: str, content: Mapping[str, Any], below: View | None) -> View:
        view_id, hash_ = f"V{next(self._numbers):08X}", self._hash()
        blocks = elements.with_ids(content["blocks"], f"{hash_}-")
        root = below.root_view_id if below else view_id
        state = view_state.state(blocks)
        return View(view_id, user, content, hash_, blocks, state, root, below.id if below else None)

    def _refilled(self, view: View, content: Mapping[str, Any], *, is_called: bool) -> View:
        hash_ = self._hash()
        blocks = elements.with_ids(content["blocks"], f"{hash_}-")  # new IDs, so without own ones nothing is kept
        state = view_state.state(blocks, view.state)
        parts: dict[str, Any] = {"content": content, "hash": hash_, "blocks": blocks, "state": state}
        return replace(view, **parts, errors={}, failure="", is_called=is_called)

    def _hash(self) -> str:
        return f"{int(self._clock().timestamp())}.{secrets.token_hex(4)}"

    def _put(self, change: ViewChange, view: View) -> View:
        if view.content["type"] == "home":
            self.homes[view.user] = view
        else:
            stack = self.modals[view.user]
            stack[next(at for at, one in enumerate(stack) if one.id == view.id)] = view
        return self._tell(change, view)

    def _tell(self, change: ViewChange, view: View) -> View:
        for listener in self._listeners:
            listener(change, view)
        return view
