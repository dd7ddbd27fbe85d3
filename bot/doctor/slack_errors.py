"""What Slack's refusals and silences mean for whoever looks for a mistake, as findings."""

from __future__ import annotations

from bot.doctor.findings import Finding, unknown, wrong
from bot.ports import OutcomeUnknown, RetryLater
from bot.slack import error_codes
from bot.slack.error_codes import Reaction
from bot.slack.web_api import ApiError

TLS = ("ClientConnectorCertificateError", "ClientConnectorSSLError")


def of_token(check: str, said: ApiError, variable: str) -> Finding:
    """Slack refuses a token, whatever it is asked."""
    code = error_codes.lookup(said.word)
    why = code.detail or code.because or "Slack refuses it"
    remedy = code.fix or "See what Slack's documentation says of this word."
    return wrong(check, f"{variable}: {why} ({said.word})", remedy)


def unreached(host: str, said: RetryLater | OutcomeUnknown) -> Finding:
    """Slack was asked for the first time, and nothing of use came back."""
    if error_codes.lookup(said.error).posting in (Reaction.WAIT, Reaction.RECONCILE):
        return unanswered("Slack", said)
    if isinstance(said, OutcomeUnknown) and said.error == "TimeoutError":
        what, remedy = f"{host} does not answer in time", _network(host)
    elif said.error in TLS:
        what = f"{host} shows a certificate that this machine does not trust"
        remedy = "Set the clock, install the system's certificates, or mend the proxy that stands in between."
    elif said.error.startswith("HTTP 5"):
        what = f"{host} is in trouble, or a proxy on the way there"
        remedy = "See slack-status.com, and run this again in a while. If it stays, look at SLACK_API_URL."
    elif isinstance(said, RetryLater) or said.error.startswith(("Client", "Server")):
        what, remedy = f"{host} cannot be reached", _network(host)
    else:
        what = f"something else than Slack answers at {host}"
        remedy = "Look at SLACK_API_URL, and for a proxy or a sign-in page that answers in Slack's place."
    return wrong("Slack", f"{what} ({said.error})", remedy)


def unanswered(check: str, said: ApiError | RetryLater | OutcomeUnknown) -> Finding:
    """The token works, and this one question stays open."""
    match said:
        case ApiError(word="missing_scope", needed=needed):
            why, remedy = f"the scope {needed or 'for it'} is missing", "Add it to the app, and install that again."
        case ApiError(word=word):
            why, remedy = f"Slack refuses the question ({word})", ""
        case RetryLater(seconds=seconds, error=word) if error_codes.lookup(word).posting is Reaction.WAIT:
            why, remedy = f"Slack asks to wait {seconds:.0f} s ({word})", "Run this again then."
        case RetryLater(error=word):
            why, remedy = f"Slack was not reached ({word})", ""
        case OutcomeUnknown(error=word):
            why, remedy = f"no answer of use ({word})", "Run this again in a while."
    return unknown(check, f"not known: {why}", remedy)


def _network(host: str) -> str:
    return f"Let this machine reach {host} (name service, firewall, HTTPS_PROXY), and look at SLACK_API_URL."
