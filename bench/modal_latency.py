"""Measure clicks that open a modal, and submitted forms, with a client in a separate process."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import time
from itertools import count

from bench.ack_latency import ack, connect
from bench.testbed import ACCOUNTS, IDLE, signed_interaction
from bot.actions import INVITE, FormMetadata, OpenInvite, encode, encode_metadata
from bot.operations.model import OperationKind

ROUNDS = 5
CLICKS = 300  # on each app in a round
SUBMISSIONS = 120
WARM_UP = 50
# Seconds: the modal must be open when the next click comes, and the poll that follows a change must be over.
PAUSE_AFTER_CLICK, PAUSE_AFTER_SUBMISSION = 0.03, 0.3

Times = list[list[list[float]]]  # milliseconds by app and round


async def take_clicks(
    secret: str, *urls: str, rounds: int = ROUNDS, each: int = CLICKS, warm_up: int = WARM_UP
) -> Times:
    """Return milliseconds from a click that opens the form of an invitation to its 200. The apps alternate."""
    return await _run("clicks", secret, rounds, each, warm_up, *urls)


async def take_submissions(secret: str, url: str, each: int = SUBMISSIONS, warm_up: int = 3) -> list[float]:
    """Return milliseconds from submitting a form that renames an account to the modal with its result."""
    ((times,),) = await _run("submissions", secret, 1, each, warm_up, url)
    return times


async def _run(what: str, secret: str, rounds: int, each: int, warm_up: int, *urls: str) -> Times:
    arguments = (what, secret, str(rounds), str(each), str(warm_up), *urls)
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.modal_latency", *arguments), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await client.communicate()
    times: Times = json.loads(printed)
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
        "private_metadata": encode_metadata(FormMetadata(OperationKind.RENAME, account)),
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
    what, secret, rounds, each, warm_up, *urls = sys.argv[1:]
    connections = [connect(url) for url in urls]
    numbers = count(1)
    request, pause = (click, PAUSE_AFTER_CLICK) if what == "clicks" else (submit, PAUSE_AFTER_SUBMISSION)

    def turn() -> list[float]:
        """Send one request to each app, in alternating order."""
        number = next(numbers)
        times = [0.0] * len(urls)
        places = [*range(len(urls))]
        for place in places if number % 2 else reversed(places):
            times[place] = request(connections[place], secret, number)
            time.sleep(pause)
        return times

    for _ in range(int(warm_up)):
        turn()
    found = [[*zip(*(turn() for _ in range(int(each))), strict=True)] for _ in range(int(rounds))]
    print(json.dumps([*zip(*found, strict=True)]))


if __name__ == "__main__":
    main()
