"""The table of Slack's error codes: what each affects, how the outbox reacts, and the operator's next step.

Taken from the error lists of chat.postMessage, chat.update, conversations.history, .replies and .info, auth.test
and apps.connections.open. Codes about arguments that the bot never sends (drafts, files, users) are left out.

https://docs.slack.dev/reference/methods/chat.postMessage#errors
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class Affects(Enum):
    """The part of a request, or of the installation, that a refusal is about."""

    TOKEN = auto()
    CHANNEL = auto()
    MESSAGE = auto()  # this one, or the one that it replies to or edits
    THREAD = auto()  # accepts no replies
    RATE = auto()
    REQUEST = auto()  # every request of this kind
    UNKNOWN = auto()


class Reaction(Enum):
    """The outbox's next step."""

    BLOCK = auto()  # nothing is posted until a person has acted; one attempt every five minutes
    AS_TEXT = auto()  # this message is posted once more without blocks, then given up
    SUSPECT = auto()  # it may concern this message or every message: the next messages show which
    WAIT = auto()
    RECONCILE = auto()  # Slack may have carried it out: check the channel's history
    GO_ON = auto()  # without the thread, the edit or the history
    REPORT = auto()  # as GO_ON, but a post would be refused, too


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """The meaning of an error code. `because` and `remedy` are plain text; "" if the operator has nothing to do."""

    affects: Affects
    posting: Reaction  # chat.postMessage and chat.update
    reading: Reaction  # the channel's history
    because: str = ""  # follows "Slack refuses: "
    remedy: str = ""  # follows "Next: "
    detail: str = ""  # `because` for a reader who can compare tokens and settings
    fix: str = ""  # `remedy` for that reader: a sentence
    shown_by: Affects | None = None  # TOKEN or CHANNEL: asking about it shows the refusal; None: only a post does


def lookup(code: str) -> ErrorCode:
    """Return the meaning of a code; `UNLISTED` for a code without an entry."""
    family = next((one for prefix, one in _FAMILIES.items() if code.startswith(prefix)), UNLISTED)
    return CODES.get(code, family)


# The codes that other modules name, because they know more about the request than the table does.
MISSING_SCOPE = "missing_scope"
CHANNEL_NOT_FOUND = "channel_not_found"
NOT_IN_CHANNEL = "not_in_channel"
NO_PERMISSION = "no_permission"
NO_USER_GROUPS = "plan_upgrade_required"  # not in the plan of the workspace
RATE_LIMITED = "ratelimited"

INVITE = "/invite @wechat-kf"
NO_JSON = "an answer that is no JSON object"  # in place of a code
_AGAIN = "Install the app to the workspace again (OAuth & Permissions), then set the token that is shown."
_ADMIN = "ask an admin of the workspace to allow the app."
_COPY = "Copy the token again from the settings of this app, without blanks, and set it."
_INVITE = f"type {INVITE} there. What is still true then follows."
_ELSEWHERE = "or choose another SLACK_ALERT_CHANNEL and restart."


def _token(detail: str, fix: str) -> ErrorCode:
    present = "put the present token into SLACK_BOT_TOKEN and restart."
    because = "the bot token is not valid"
    return ErrorCode(Affects.TOKEN, Reaction.BLOCK, Reaction.BLOCK, because, present, detail, fix, Affects.TOKEN)


def _app(
    because: str, remedy: str, reading: Reaction = Reaction.BLOCK, shown_by: Affects | None = Affects.TOKEN
) -> ErrorCode:
    fix = remedy[0].upper() + remedy[1:]
    return ErrorCode(Affects.TOKEN, Reaction.BLOCK, reading, because, remedy, because, fix, shown_by)


def _channel(
    because: str, remedy: str, reading: Reaction = Reaction.GO_ON, shown_by: Affects | None = Affects.CHANNEL
) -> ErrorCode:
    # Posting may be allowed where reading is not. Going on without the history risks one duplicate.
    return ErrorCode(Affects.CHANNEL, Reaction.BLOCK, reading, because, remedy, shown_by=shown_by)


def _all(affects: Affects, because: str, remedy: str) -> ErrorCode:
    return ErrorCode(affects, Reaction.BLOCK, Reaction.GO_ON, because, remedy)


UNLISTED = ErrorCode(Affects.UNKNOWN, Reaction.SUSPECT, Reaction.GO_ON)
_MESSAGE = ErrorCode(Affects.MESSAGE, Reaction.AS_TEXT, Reaction.GO_ON)
_GONE = ErrorCode(Affects.MESSAGE, Reaction.GO_ON, Reaction.GO_ON)
_CLOSED = ErrorCode(Affects.THREAD, Reaction.GO_ON, Reaction.GO_ON)
_WAIT = ErrorCode(Affects.RATE, Reaction.WAIT, Reaction.WAIT)
_UNCERTAIN = ErrorCode(Affects.UNKNOWN, Reaction.RECONCILE, Reaction.RECONCILE)
_RESTRICTED = _channel(
    "the workspace or the channel does not let the app post",
    f"allow it in the channel's posting permissions, {_ELSEWHERE}",
    shown_by=None,
)
_OUTDATED = _all(
    Affects.REQUEST, "Slack does not offer this request any more", "update the bot, and check SLACK_API_URL."
)

CODES: Mapping[str, ErrorCode] = {
    # The token
    "not_authed": _token("Slack got no token", _COPY),
    "invalid_auth": _token("Slack does not know this token, or not from this address", _COPY),
    "account_inactive": _token("the app was removed from the workspace", _AGAIN),
    "token_revoked": _token("the token was revoked", _AGAIN),
    "token_expired": _token(
        "the token has expired: the app rotates its tokens, which the bot does not support",
        "Create the app again from the manifest, which keeps token rotation off: Slack cannot switch it off again.",
    ),
    "not_allowed_token_type": ErrorCode(
        Affects.TOKEN,
        Reaction.BLOCK,
        Reaction.GO_ON,
        "it is a token of another kind",
        "put the bot token (xoxb-…) into SLACK_BOT_TOKEN and restart.",
        "it is a token of another kind",
        _COPY,
        Affects.TOKEN,
    ),
    MISSING_SCOPE: _app(
        "the app lacks a permission", "install the app again from its manifest.", reading=Reaction.GO_ON
    ),
    # The app in its workspace
    "access_denied": _app("access is denied", _ADMIN, reading=Reaction.GO_ON),
    "accesslimited": _app("the workspace or the app takes calls from listed addresses only", _ADMIN),
    "app_access_restricted": _app("the workspace does not let the app be used", _ADMIN),
    "ekm_access_denied": _app(
        "the admins have suspended messages to this channel", _ADMIN, reading=Reaction.GO_ON, shown_by=None
    ),
    "enterprise_is_restricted": _app("the organisation restricts this call", _ADMIN),
    "forbidden_team": _app("the workspace may not use Socket Mode", _ADMIN),
    "org_login_required": _app("the workspace is being moved to an organisation", "wait until the move is over."),
    "team_access_not_granted": _app("the organisation has not granted the app to this workspace", _ADMIN),
    "two_factor_setup_required": _app("two-factor authentication must be set up first", _ADMIN),
    # The channel
    NOT_IN_CHANNEL: _channel("the app is not a member", _INVITE),
    CHANNEL_NOT_FOUND: _channel(
        "it is private and the app is not a member, or it does not exist", _INVITE, Reaction.REPORT
    ),
    NO_PERMISSION: _channel("the app is not a member, or lacks a permission", _INVITE),
    "is_archived": _channel("it is archived", f"unarchive it, {_ELSEWHERE}"),
    "is_inactive": _channel("it is archived or frozen", f"unarchive it, {_ELSEWHERE}", Reaction.REPORT),
    "channel_is_limited_access": _channel(
        "access to it is limited", f"let the app in, {_ELSEWHERE}", shown_by=None
    ),
    "messages_tab_disabled": _channel(
        "it is the app's own Messages tab, which is off",
        "choose another SLACK_ALERT_CHANNEL and restart.",
        shown_by=None,
    ),
    "team_not_found": _channel(
        "its workspace is not found",
        "set SLACK_ALERT_CHANNEL to the ID of a channel where the app is installed, and restart.",
        Reaction.REPORT,
    ),
    # Every message, for a while or in this release
    "message_limit_exceeded": _all(
        Affects.RATE,
        "the workspace has sent more messages than its plan allows",
        "look at the usage limits of the workspace. What is still true follows when Slack takes messages again.",
    ),
    **dict.fromkeys(("method_deprecated", "deprecated_endpoint", "unknown_method"), _OUTDATED),
    # This message
    **dict.fromkeys(
        (
            *("invalid_arguments", "invalid_blocks", "invalid_blocks_format", "block_mismatch", "no_text"),
            *("msg_blocks_too_long", "msg_too_long", "markdown_text_conflict", "invalid_attachments"),
            *("too_many_attachments", "attachment_payload_limit_exceeded", "too_many_contact_cards"),
        ),
        _MESSAGE,
    ),
    # The message that is edited or answered
    **dict.fromkeys(("message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"), _GONE),
    **dict.fromkeys(
        (
            *("cannot_reply_to_message", "restricted_action_thread_locked"),
            "restricted_action_non_threadable_channel",
        ),
        _CLOSED,
    ),
    # Nothing is wrong, or the outcome is unknown
    **dict.fromkeys((RATE_LIMITED, "rate_limited", "team_added_to_org", "external_channel_migrating"), _WAIT),
    **dict.fromkeys(
        ("internal_error", "fatal_error", "service_unavailable", "request_timeout", "update_failed"), _UNCERTAIN
    ),
    # The form of the request: of this one, or of all of them if a proxy changes them on the way
    **dict.fromkeys(
        (
            *("invalid_arg_name", "invalid_array_arg", "invalid_charset", "invalid_form_data"),
            *("invalid_post_type", "missing_post_type"),
        ),
        UNLISTED,
    ),
}
_FAMILIES: Mapping[str, ErrorCode] = {
    "restricted_action": _RESTRICTED,
    "metadata_": _MESSAGE,
    "invalid_metadata": _MESSAGE,
    "slack_connect_": _MESSAGE,  # a part of it may not be shown to other companies
}
