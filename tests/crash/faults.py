"""What goes wrong at Slack while the bot is being killed."""

from __future__ import annotations

import random
from collections.abc import Callable

from bot.demo.slack import Fault, SlackStandIn, dropped, error, http_error, ratelimited, reply_lost, slow
from tests.crash.failpoints import Needs
from tests.crash.fault_proxy import EDIT, LOOKS, POST, Gate

SHORT_LEASE, LONG_LEASE = 2, 4  # seconds; 2 is the least that the bot takes
TOO_LATE = SHORT_LEASE / 4 + 0.3  # seconds: a bot with the short lease has given the request up

# The answer is lost, and Slack took the message; or it did not. The bot cannot tell.
LOST_ANSWERS: tuple[Callable[[], Fault], ...] = (
    reply_lost,
    lambda: http_error(taken=True),
    lambda: error("internal_error", taken=True),
    lambda: error("fatal_error", taken=True),
    lambda: slow(TOO_LATE),
)
LOST_REQUESTS: tuple[Callable[[], Fault], ...] = (
    dropped,
    lambda: http_error(503),
    lambda: error("internal_error"),
)
BUSY: tuple[Callable[[], Fault], ...] = (lambda: ratelimited(1),)


def arm(slack: SlackStandIn, gate: Gate, needs: Needs, rng: random.Random) -> None:
    """Let requests of the next life go wrong: the first post as is needed, others as chance has it."""
    if needs is Needs.FOUND:
        slack.arm(POST, rng.choice(LOST_ANSWERS)())
    elif needs is Needs.ABSENT:
        slack.arm(POST, rng.choice(LOST_REQUESTS)())
    elif needs is Needs.BUSY:
        slack.arm(POST, rng.choice(BUSY)())
    elif rng.random() < 0.4:
        slack.arm(POST, rng.choice(LOST_ANSWERS + LOST_REQUESTS + BUSY)())
    elif rng.random() < 0.2:
        gate.delays.append(TOO_LATE)  # Slack takes it after the bot has given it up
    for method in (EDIT, *LOOKS):
        if rng.random() < 0.25:
            slack.arm(method, rng.choice(LOST_ANSWERS + LOST_REQUESTS + BUSY)())


def lease(needs: Needs, rng: random.Random) -> int:
    """The short one, so that looks come soon. The long one gives a client that repeats requests time to do so."""
    unknown = needs in (Needs.FOUND, Needs.ABSENT)
    return LONG_LEASE if not unknown and rng.random() < 0.3 else SHORT_LEASE


def disarm(slack: SlackStandIn, gate: Gate) -> None:
    """Let everything go right from now on."""
    gate.delays.clear()
    for method in (POST, EDIT, *LOOKS):
        while slack.take_fault(method):
            pass
