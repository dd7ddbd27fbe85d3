"""Failures of Slack during a crash run."""

from __future__ import annotations

import random
from collections.abc import Callable

from bot.demo.slack_simulator import (
    SlackFault,
    SlackSimulator,
    dropped,
    error,
    http_error,
    ratelimited,
    reply_lost,
    slow,
)
from tests.crash.failpoints import Precondition
from tests.crash.fault_proxy import EDIT, LOOKUP_METHODS, POST, UPDATE_VIEW, FaultProxy

SHORT_LEASE, LONG_LEASE = 2, 4  # seconds; 2 is the smallest that the bot accepts
TOO_LATE = SHORT_LEASE / 4 + 0.3  # seconds: a bot with the short lease has abandoned the request by then

# In the first group Slack accepted the message, in the second it did not. The bot cannot see the difference.
LOST_RESPONSES: tuple[Callable[[], SlackFault], ...] = (
    reply_lost,
    lambda: http_error(taken=True),
    lambda: error("internal_error", taken=True),
    lambda: error("fatal_error", taken=True),
    lambda: slow(TOO_LATE),
)
LOST_REQUESTS: tuple[Callable[[], SlackFault], ...] = (
    dropped,
    lambda: http_error(503),
    lambda: error("internal_error"),
)
BUSY: tuple[Callable[[], SlackFault], ...] = (lambda: ratelimited(1),)


def arm(slack: SlackSimulator, fault_proxy: FaultProxy, precondition: Precondition, rng: random.Random) -> None:
    """Let requests of the next bot fail: the first post as the failpoint needs it, others at random."""
    if precondition is Precondition.LOST_RESPONSE:
        slack.arm(POST, rng.choice(LOST_RESPONSES)())
    elif precondition is Precondition.LOST_REQUEST:
        slack.arm(POST, rng.choice(LOST_REQUESTS)())
    elif precondition is Precondition.RATE_LIMITED:
        slack.arm(POST, rng.choice(BUSY)())
    elif rng.random() < 0.4:
        slack.arm(POST, rng.choice(LOST_RESPONSES + LOST_REQUESTS + BUSY)())
    elif rng.random() < 0.2:
        fault_proxy.delays.append(TOO_LATE)  # Slack accepts it after the bot has abandoned it
    for method in (EDIT, UPDATE_VIEW, *LOOKUP_METHODS):
        if rng.random() < 0.25:
            slack.arm(method, rng.choice(LOST_RESPONSES + LOST_REQUESTS + BUSY)())


def lease(precondition: Precondition, rng: random.Random) -> int:
    """Choose the lease: short, so that lookups come soon, or long enough for a client to retry (it must not)."""
    unknown = precondition in (Precondition.LOST_RESPONSE, Precondition.LOST_REQUEST)
    return LONG_LEASE if not unknown and rng.random() < 0.3 else SHORT_LEASE


def disarm(slack: SlackSimulator, fault_proxy: FaultProxy) -> None:
    """Remove all faults and delays."""
    fault_proxy.delays.clear()
    for method in (POST, EDIT, UPDATE_VIEW, *LOOKUP_METHODS):
        while slack.take_fault(method):
            pass
