"""Measure clicks that open a modal, and submitted forms, with a client in a separate process."""

from __future__ import annotations

import http.client
import json
import sys
import time

from bench.ack_latency import Times, ack, client_times, print_times
from bench.testbed import ACCOUNTS, IDLE, signed_interaction
from bot.actions import INVITE, OpenInvite, encode
from bot.operations.operation import OperationKind
from bot.view_metadata import FormMetadata, encode_form

ROUNDS = 5
CLICKS = 300  # on each app in a round
SUBMISSIONS = 120
WARM_UP = 50
# Seconds: the modal must be open when the next click comes, and the poll that follows a change must be over.
PAUSE_AFTER_CLICK, PAUSE_AFTER_SUBMISSION = 0.03, 0.3


async def take_clicks(
    secret: str, *urls: str, rounds: int = ROUNDS, each: int = CLICKS, warm_up: int = WARM_UP
) -> Times:
    """Return milliseconds from a click that opens the form of an invitation to its 200. The apps alternate."""
    return await client_times(__name__, "clicks", secret, str(rounds), str(each), str(warm_up), *urls)


async def take_submissions(secret: str, url: str, each: int = SUBMISSIONS, warm_up: int = 3) -> list[float]:
    """Return milliseconds from submitting a form that renames an account to the modal with its result."""
    ((times,),) = await client_times(__name__, "submissions", secret, "1", str(each), str(warm_up), url)
    return times


def click(connection: http.client.HTTPConnection, secret: str, number: int) -> float:
    """Return the milliseconds from a click to its 200."""
    parts = {
        "container": {"type": "message", "is_ephemeral": False},
        "channel": {"id": "C0ALERTS"},
        "actions": [
            {"type": "button", "block_id": "b", "action_id": INVITE, "value": encode(OpenInvite(handle=IDLE))}
        ],
    }
    return ack(connection, *signed_interaction(secret, "block_actions", f"{number}.1", **parts))


def submit(connection: http.client.HTTPConnection, secret: str, number: int) -> float:
    """Return the milliseconds from a submission to its answer, which has the result."""
    account, text = f"kf{number % ACCOUNTS}@harbour_tea", f"第 {number} 号"
    view = {
        "id": f"V{number}",
        "type": "modal",
        "hash": f"{number}.x",
        "callback_id": f"op.{OperationKind.RENAME}",
        "private_metadata": encode_form(FormMetadata(OperationKind.RENAME, account)),
        "blocks": [{"type": "input", "block_id": "name"}],
        "state": {"values": {"name": {"value": {"type": "plain_text_input", "value": text}}}},
    }
    body, headers = signed_interaction(secret, "view_submission", f"{number}.1", view=view)
    began = time.perf_counter()
    connection.request("POST", "/slack/events", body, headers)
    answer = connection.getresponse().read().decode()
    taken = (time.perf_counter() - began) * 1000
    shown = json.loads(answer).get("view", {})
    if text not in str(shown):
        raise RuntimeError(f"not renamed: {answer}")
    return taken


def main() -> None:
    """Print the times. Arguments: what, a secret, rounds, samples, samples before them, the addresses."""
    what, secret, *numbers = sys.argv[1:6]
    request, pause = (click, PAUSE_AFTER_CLICK) if what == "clicks" else (submit, PAUSE_AFTER_SUBMISSION)
    print_times(
        sys.argv[6:], lambda connection, number, _: request(connection, secret, number), pause, *map(int, numbers)
    )


if __name__ == "__main__":
    main()
