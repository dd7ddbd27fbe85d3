"""A Slack to run against where the real one is out of reach. `bot.demo.servers` puts it on the network."""

from bot.demo.slack_simulator.open_views import View
from bot.demo.slack_simulator.sent_messages import Ack, Invocation, Submission, ViewInvocation
from bot.demo.slack_simulator.simulator import RESPONSE_URL, SCOPES, ApiCall, SlackSimulator, Stage
from bot.demo.slack_simulator.slack_faults import (
    SlackFault,
    dropped,
    error,
    http_error,
    ratelimited,
    reply_lost,
    slow,
)
from bot.demo.slack_simulator.state import Channel, Message, Organisation, Person, UserGroup
from bot.demo.slack_simulator.users import sign

__all__ = [
    "RESPONSE_URL",
    "SCOPES",
    "Ack",
    "ApiCall",
    "Channel",
    "Invocation",
    "Message",
    "Organisation",
    "Person",
    "SlackFault",
    "SlackSimulator",
    "Stage",
    "Submission",
    "UserGroup",
    "View",
    "ViewInvocation",
    "dropped",
    "error",
    "http_error",
    "ratelimited",
    "reply_lost",
    "sign",
    "slow",
]
