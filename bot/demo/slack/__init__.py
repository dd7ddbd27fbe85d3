"""A Slack to run against where the real one is out of reach. `bot.demo.servers` puts it on the network."""

from bot.demo.slack.faults import Fault, dropped, error, http_error, ratelimited, reply_lost, slow
from bot.demo.slack.outbox import Ack, Invocation
from bot.demo.slack.people import sign
from bot.demo.slack.standin import RESPONSE_URL, SCOPES, Call, SlackStandIn, Stage
from bot.demo.slack.state import Channel, Message, Organisation, UserGroup

__all__ = [
    "RESPONSE_URL",
    "SCOPES",
    "Ack",
    "Call",
    "Channel",
    "Fault",
    "Invocation",
    "Message",
    "Organisation",
    "SlackStandIn",
    "Stage",
    "UserGroup",
    "dropped",
    "error",
    "http_error",
    "ratelimited",
    "reply_lost",
    "sign",
    "slow",
]
