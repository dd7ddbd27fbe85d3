"""The text of each problem of a form: plain text at its field, or as a block above it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from bot.blocks.context import RenderContext
from bot.blocks.mentions import display_name
from bot.blocks.modals.inputs import field_of
from bot.blocks.names import account_of, name_of
from bot.blocks.times import CLOCK, MOMENT, date
from bot.language import gettext_noop
from bot.operations.fields import FORM_FIELDS, FieldError, FieldProblem
from bot.operations.operation import AccountFacts, OperationKind
from bot.ports import FieldErrors
from bot.text import ACCOUNT, clean

_TEXTS: Mapping[FieldProblem, str] = {
    FieldProblem.WX_CHARACTERS: gettext_noop("A WeChat ID has letters, digits, - and _ only."),
    FieldProblem.WX_PHONE: gettext_noop("This looks like a phone number. WeChat wants the person’s WeChat ID."),
    FieldProblem.WX_UNKNOWN: gettext_noop(
        "WeChat does not know this ID. Check the spelling: the person’s own WeChat ID, no phone number, no "
        "nickname."
    ),
    FieldProblem.HOLDS_TOO_MANY: gettext_noop(
        "This person holds as many customer-service accounts as WeChat allows. They leave one first, or choose "
        "another person."
    ),
    FieldProblem.BOUND: gettext_noop(
        "This account is bound by now. To give it to somebody else, delete it and add it again."
    ),
    FieldProblem.GONE: gettext_noop("WeChat does not know this account any more. /kf shows the present list."),
    FieldProblem.ACCOUNT_FORM: gettext_noop("Up to 10 letters, digits or _ before the @."),
    FieldProblem.EXISTS: gettext_noop("This account exists already. Choose other characters."),
    FieldProblem.NO_ROOM: gettext_noop("There are as many accounts as WeChat allows. Delete one that nobody uses."),
    FieldProblem.NAME_REFUSED: gettext_noop("WeChat refuses this name. Choose another one of up to 16 characters."),
    FieldProblem.SAME_NAME: gettext_noop("This is the present name."),
    FieldProblem.NO_DATABASE: gettext_noop("The database does not answer. Please try again in a minute."),
}


def problem_text(error: FieldError, context: RenderContext) -> str:
    """Write a problem as plain text. Slack converts no dates there, so they are in the zone of the settings."""
    say, words = context.say, clean(error.words, ACCOUNT)
    match error.problem:
        case FieldProblem.ANSWERS_HERE:
            return _answers_here(error.account, context)
        case FieldProblem.INVITED_ALREADY:
            return _invited_already(error.account, context)
        case FieldProblem.STILL_OPEN:
            return still_open(_plain_date(error.at, context), context)
        case FieldProblem.OTHER_SUFFIX:
            return say("After the @ stands {suffix} here.", suffix=words)
        case FieldProblem.NOT_TYPED:
            return say("This is not {account}.", account=words)
        case FieldProblem.NAME_TOO_LONG:
            return say("This name has {number} characters; WeChat takes up to 16.", number=error.number)
        case FieldProblem.IN_PROGRESS:
            return say(
                "{name} is changing this account right now, since {clock}. Try again in a minute.",
                name=context.capitalized(display_name(error.words, context)),
                clock=_plain_date(error.at, context, CLOCK),
            )
        case FieldProblem.CHANGED:
            return say(
                "The account has changed since this window was opened: it is {state} now. "
                "Close the window and look again.",
                state=context.state(error.words),
            )
        case FieldProblem.TOO_MANY:
            return say(
                "That is much for one hour: {number} changes. Wait until {clock}.",
                number=error.number,
                clock=_plain_date(error.at, context, CLOCK),
            )
        case FieldProblem.NOT_PERMITTED:
            title = say("Only some people may change accounts")
            step = say("ask one of them to do it, or whoever runs this bot to add you (setting KF_OPERATORS).")
            return context.paragraph(say("{what}.", what=title), context.capitalized(step))
        case FieldProblem.NOT_CHECKED:
            title = say("Slack does not say who may change accounts")
            step = context.capitalized(say("try again in a minute."))
            return context.paragraph(say("{what}.", what=title), step)
        case FieldProblem.OUT_OF_DATE:
            return say("This button is out of date. {command} shows the present state.", command="/kf")
    return say(_TEXTS[error.problem])


def field_errors(
    error: FieldError, kind: OperationKind, block_ids: Iterable[str], context: RenderContext
) -> FieldErrors:
    """Return the answer that shows an error in a form.

    Args:
        block_ids: of the submitted values; their numbers differ in a form that is shown again.
    """
    field = error.field or FORM_FIELDS[kind][0]
    ids = [*block_ids]
    # Slack shows no error at a block that the form does not have.
    block_id = next((one for one in ids if field_of(one) == field), next(iter(ids), field))
    return FieldErrors({block_id: problem_text(error, context)})


def still_open(when: str, context: RenderContext) -> str:
    """Write that the account has an open invitation, until `when` if it has a deadline."""
    if not when:
        return context.say(
            "An invitation for this account is still open. WeChat takes a new one after its deadline."
        )
    return context.say(
        "An invitation for this account is still open, until {when}. WeChat takes a new one after that.", when=when
    )


def _answers_here(other: AccountFacts | None, context: RenderContext) -> str:
    if other is None:
        return context.say("This person already answers customers here. Choose another person.")
    return context.say(
        "This person already answers customers here, as {name} ({account}). Choose another person.",
        name=name_of(other.kf_nick, context),
        account=account_of(other.kf_account, other.kf_id, context),
    )


def _invited_already(other: AccountFacts | None, context: RenderContext) -> str:
    if other is None or other.expires_at is None:
        return context.say("This person has an open invitation already. Wait for the answer or the deadline.")
    return context.say(
        "This person has an open invitation already, for {name}, until {when}. Wait for the answer or the "
        "deadline.",
        name=name_of(other.kf_nick, context),
        when=_plain_date(other.expires_at, context),
    )


def _plain_date(when: datetime | None, context: RenderContext, tokens: str = MOMENT) -> str:
    return date(when, context.as_text, tokens) if when else ""
