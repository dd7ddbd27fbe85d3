"""Findings for Slack's refusals and missing responses."""

from __future__ import annotations

from bot.doctor.findings import Finding, unknown, wrong
from bot.ports import OutcomeUnknown, RetryLater
from bot.slack import error_codes
from bot.slack.error_codes import Reaction
from bot.slack.web_api import ApiError

TLS = ("ClientConnectorCertificateError", "ClientConnectorSSLError")


def of_token(check: str, refusal: ApiError, variable: str) -> Finding:
    """Report a refused token."""
    code = error_codes.lookup(refusal.code)
    why = code.detail or code.because or "Slack refuses it"
    remedy = code.fix or "See what Slack's documentation says of this word."
    return wrong(check, f"{variable}: {why} ({refusal.code})", remedy)


def unreached(host: str, response: RetryLater | OutcomeUnknown) -> Finding:
    """Report that the first request to Slack got no usable response."""
    if error_codes.lookup(response.error).posting in (Reaction.WAIT, Reaction.RECONCILE):
        return unanswered("Slack", response)
    if isinstance(response, OutcomeUnknown) and response.error == "TimeoutError":
        what, remedy = f"{host} does not answer in time", _network(host)
    elif response.error in TLS:
        what = f"{host} shows a certificate that this machine does not trust"
        remedy = "Set the clock, install the system's certificates, or mend the proxy that stands in between."
    elif response.error.startswith("HTTP 5"):
        what = f"{host} is in trouble, or a proxy on the way there"
        remedy = "See slack-status.com, and run this again in a while. If it stays, look at SLACK_API_URL."
    elif isinstance(response, RetryLater) or response.error.startswith(("Client", "Server")):
        what, remedy = f"{host} cannot be reached", _network(host)
    else:
        what = f"something else than Slack answers at {host}"
        remedy = "Look at SLACK_API_URL, and for a proxy or a sign-in page that answers in Slack's place."
    return wrong("Slack", f"{what} ({response.error})", remedy)


def unanswered(check: str, response: ApiError | RetryLater | OutcomeUnknown) -> Finding:
    """Report one failed request of a valid token."""
    match response:
        case ApiError(code=error_codes.MISSING_SCOPE, needed=needed):
            why, remedy = f"the scope {needed or 'for it'} is missing", "Add it to the app, and install that again."
        case ApiError(code=code):
            why, remedy = f"Slack refuses the question ({code})", ""
        case RetryLater(seconds=seconds, error=error) if error_codes.lookup(error).posting is Reaction.WAIT:
            why, remedy = f"Slack asks to wait {seconds:.0f} s ({error})", "Run this again then."
        case RetryLater(error=error):
            why, remedy = f"Slack was not reached ({error})", ""
        case OutcomeUnknown(error=error):
            why, remedy = f"no answer of use ({error})", "Run this again in a while."
    return unknown(check, f"not known: {why}", remedy)


def _network(host: str) -> str:
    return f"Let this machine reach {host} (name service, firewall, HTTPS_PROXY), and look at SLACK_API_URL."
