"""People who use modals and App Home: they click, fill in, submit and close. Opening a Home stays out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from bot.demo.slack_simulator import elements, response_actions, view_payloads, view_state, web_api_methods
from bot.demo.slack_simulator.events import Events
from bot.demo.slack_simulator.open_views import TROUBLE, View
from bot.demo.slack_simulator.refusal import Refusal
from bot.demo.slack_simulator.sent_messages import Ack, Signature, Submission, ViewInvocation


class ViewInteractions(Events):
    """A workspace whose people use the app's modals and Home."""

    def modal(self, user: str = "U0MEI") -> View:
        """Return the view of the modal that a person has in front.

        Raises:
            LookupError: the person has no modal open.
        """
        view = self.views.visible(user)
        if view is None:
            raise LookupError(f"{user} has no modal open")
        return view

    def home(self, user: str = "U0MEI") -> View:
        """Return a person's Home.

        Raises:
            LookupError: the app has published none for this person.
        """
        if user not in self.views.homes:
            raise LookupError(f"no Home of {user} has been published")
        return self.views.homes[user]

    async def click_in_modal(
        self,
        action_id: str,
        *,
        value: str | None = None,
        option: str | Mapping[str, Any] | None = None,
        block_id: str | None = None,
        user: str = "U0MEI",
    ) -> ViewInvocation:
        """Let a person use a button or menu of the modal in front; see `elements.action`.

        Raises:
            LookupError: no modal is open, or it shows nothing like it.
        """
        view = self.modal(user)
        return await self._click(view, self.new_trigger(user, view.id), action_id, value, option, block_id)

    async def click_in_home(
        self,
        action_id: str,
        *,
        value: str | None = None,
        option: str | Mapping[str, Any] | None = None,
        block_id: str | None = None,
        user: str = "U0MEI",
    ) -> ViewInvocation:
        """Let a person use a button or menu of their Home; see `elements.action`.

        Raises:
            LookupError: no Home is published, or it shows nothing like it.
        """
        return await self._click(self.home(user), self.new_trigger(user), action_id, value, option, block_id)

    def fill_in(self, entries: Mapping[str, Any], *, user: str = "U0MEI") -> View:
        """Let a person change fields of the modal in front, by block_id: to a text, or an option or its value.

        Raises:
            LookupError: no modal is open, or it has no such field or option.
        """
        view = self.modal(user)
        return self.views.fill(view, view_state.filled(view.blocks, view.state, entries))

    async def submit(
        self,
        entries: Mapping[str, Any] | None = None,
        *,
        user: str = "U0MEI",
        timestamp: int | str | None = None,
        signature: str | None = None,
    ) -> Submission:
        """Let a person change fields of the modal in front and submit it; return once the answer is shown.

        What Slack refuses itself is shown at its field, and nothing is sent.

        Raises:
            LookupError: no modal is open, or it has no submit button, or no such field or option.
        """
        if "submit" not in self.modal(user).content:
            raise LookupError(f"nothing to submit in {self.modal(user).title!r}")
        view = self.fill_in(entries or {}, user=user)
        if errors := view_state.refusals(view.blocks, view.state):
            self.views.refuse(view, errors)
            return Submission(None, None, errors, "")
        self.views.refuse(view, {})
        payload = view_payloads.submission(self, view, self.new_trigger(user, view.id))
        signed = Signature(self.signing_secret, timestamp, signature)
        ack = await self._interact(payload, signed, answerable=True)
        failure = TROUBLE if ack.failure else ""
        if not failure:
            try:
                response_actions.answer(self, view, ack.body)
            except Refusal as refusal:
                web_api_methods.answered(self, "view_submission", refusal)
                failure = TROUBLE
        if failure:
            self.views.refuse(view, {}, failure)
        shown = self.views.find(view.id)
        return Submission(payload, ack, shown.errors if shown else {}, shown.failure if shown else "")

    async def close_modal(self, *, whole: bool = False, user: str = "U0MEI") -> ViewInvocation | None:
        """Let a person close the view in front, or the `whole` modal, by its cross.

        Returns None where the app is not to be notified.

        Raises:
            LookupError: no modal is open.
        """
        view = self.modal(user)
        is_cleared = whole or view.content.get("clear_on_close", False)
        self.views.close(self.views.modals[user][0] if is_cleared else view)
        if not view.content.get("notify_on_close"):
            return None
        payload = view_payloads.closed(self, view, is_cleared=is_cleared)
        return ViewInvocation(payload, await self._interact(payload, Signature(self.signing_secret)))

    async def _click(
        self,
        view: View,
        trigger_id: str,
        action_id: str,
        value: str | None,
        option: str | Mapping[str, Any] | None,
        block_id: str | None,
    ) -> ViewInvocation:
        done = elements.action(
            view.blocks,
            action_id,
            shown=view.title,
            block_id=block_id,
            value=value,
            option=option,
            ts=self.next_ts(),
        )
        view = self.views.fill(view, view_state.used(view.state, done))
        payload = view_payloads.click(self, view, done, trigger_id)
        return ViewInvocation(payload, await self._interact(payload, Signature(self.signing_secret)))

    async def _interact(self, payload: Mapping[str, Any], signed: Signature, *, answerable: bool = False) -> Ack:
        form = urlencode({"payload": json.dumps(payload)})
        return await self.deliver("interactive", payload, form, signed, answerable=answerable)
