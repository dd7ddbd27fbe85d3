"""Check how commands, clicks and events arrive: as signed requests, or over a connection that the bot opens."""

from __future__ import annotations

import re

from aiohttp import ClientSession

from bot.doctor import slack_errors
from bot.doctor.findings import Finding, Report, Unset, unknown, well, wrong
from bot.doctor.slack import SECONDS
from bot.doctor.variables import WHERE
from bot.ports import OutcomeUnknown, RetryLater
from bot.settings.values import Settings
from bot.slack import error_codes
from bot.slack.web_api import ApiError, no_retry_client
from bot.slack.workspace import connections_open

SIGNING_SECRET = re.compile(r"[0-9a-f]{32}")
HOME = "App Home"
EMPTY_HOME = "Open the app in Slack, tab Home. If the page stays empty, install the app again from its manifest"
HOME_OVER_HTTP = unknown(
    HOME,
    "not checked: only opening it shows whether Slack sends its events",
    f"{EMPTY_HOME}, and see that Event Subscriptions has the address of the commands and shows Verified.",
)
HOME_OVER_A_CONNECTION = unknown(
    HOME, "not checked: only opening it shows whether Slack sends its events", f"{EMPTY_HOME}."
)
OVER_HTTP = unknown(
    "commands",
    "not checked: only a command shows whether Slack reaches this bot, and signs with this secret",
    "Type /kf in Slack. dispatch_failed: the bot is down, or the Request URL of the app is wrong (it ends in "
    "/slack/events). http_client_error: the signing secret is another app's, or the clock is wrong.",
)
OVER_A_CONNECTION = unknown(
    "commands",
    "not checked: only a command shows whether a worker holds the connection, and of the same app",
    "Type /kf in Slack. dispatch_failed: start the process `python -m bot worker`, and switch Socket Mode on.",
)


async def examine(settings: Settings, unset: Unset, session: ClientSession) -> Report:
    """Report the findings that need no command from a user."""
    if why := unset.why_not("app token", "SLACK_APP_TOKEN"):
        return Report((why,))
    if not settings.slack_app_token:
        return Report(
            (unset.why_not("signing secret", "SLACK_SIGNING_SECRET") or _form(settings), OVER_HTTP, HOME_OVER_HTTP)
        )
    if why := unset.why_not("app token", "SLACK_API_URL"):
        return Report((why,))
    client = no_retry_client(settings.slack_app_token, settings.slack_api_url, session)
    return Report((_granted(await connections_open(client, SECONDS)), OVER_A_CONNECTION, HOME_OVER_A_CONNECTION))


def _form(settings: Settings) -> Finding:
    if SIGNING_SECRET.fullmatch(settings.slack_signing_secret):
        return well("signing secret", "has the form of one")
    return wrong("signing secret", "is none: it must be 32 digits of 0-9 and a-f", WHERE["SLACK_SIGNING_SECRET"])


def _granted(response: ApiError | RetryLater | OutcomeUnknown | None) -> Finding:
    match response:
        case None:
            return well("app token", "is granted a connection for Socket Mode")
        case ApiError(code=error_codes.MISSING_SCOPE):
            remedy = "Slack app settings, Basic Information, App-Level Tokens: make one with connections:write."
            return wrong("app token", f"lacks the scope connections:write ({error_codes.MISSING_SCOPE})", remedy)
        case ApiError():
            return slack_errors.of_token("app token", response, "SLACK_APP_TOKEN")
    return slack_errors.unanswered("app token", response)
