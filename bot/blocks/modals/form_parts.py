"""What all forms of operations have in common: the order of their blocks, and how they come again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot import view_metadata
from bot.blocks import builders
from bot.blocks.context import RenderContext
from bot.blocks.modals.field_error_texts import problem_text
from bot.blocks.modals.inputs import text_input
from bot.blocks.modals.modal_view import callback_of, modal, title_of
from bot.blocks.times import date
from bot.operations.fields import FORM_FIELDS, MAX_PREFIX, FieldError
from bot.operations.operation import OperationKind
from bot.ports import Block, View
from bot.text import escape
from bot.view_metadata import FormMetadata

MAX_SUFFIX = 30  # by WeChat's documentation
MAX_ACCOUNT = MAX_PREFIX + 1 + MAX_SUFFIX
MAX_INPUT = {"wx": 64, "account": MAX_ACCOUNT, "name": 64, "typed": 100}  # more than is valid: a check says why


@dataclass(frozen=True, slots=True)
class Repetition:
    """A form that is shown again: with what was typed, under other block IDs, and without the consequence."""

    number: int  # of the block IDs, from 2
    error: FieldError | None = None  # shown above its field
    notice: str = ""  # mrkdwn, instead of the account and its state
    facts: Sequence[str] = ()  # errcode and rid, or why there is none


def form(
    kind: OperationKind,
    about: str,
    inputs: Sequence[tuple[str, Block]],
    consequence: str,
    context: RenderContext,
    *,
    metadata: FormMetadata,
    submit: str,
    account: str,
    again: bool = False,
    refused_at: datetime | None,
    repetition: Repetition | None,
) -> View:
    """Build a form from what is shown above its fields, the fields by name, and what is shown below."""
    if repetition and repetition.notice:
        about = repetition.notice
    blocks = [builders.section(about)] if about else []
    if refused_at:
        blocks.append(builders.section(f"{builders.TROUBLE} {_refused_last(refused_at, context)}"))
    for field, block in inputs:
        error = repetition.error if repetition else None
        if error and (error.field or FORM_FIELDS[kind][0]) == field:
            blocks.append(builders.section(f"{builders.TROUBLE} {escape(problem_text(error, context))}"))
        blocks.append(block)
    if repetition:
        consequence = " · ".join(filter(None, [account, *repetition.facts]))
    return modal(
        title_of(kind, context, again=again),
        [*blocks, *([builders.context(consequence)] if consequence else [])],
        context,
        callback_id=callback_of(kind),
        submit=submit,
        metadata=view_metadata.encode_form(metadata),
    )


def form_input(
    field: str,
    label: str,
    values: Mapping[str, str],
    repetition: Repetition | None,
    *,
    hint: str = "",
    placeholder: str = "",
    focus: bool = False,
) -> tuple[str, Block]:
    """Build a field for text, and return it with its name. `values` are texts to begin with, by field."""
    return field, text_input(
        field,
        label,
        most=MAX_INPUT[field],
        number=repetition.number if repetition else 1,
        value=values.get(field, ""),
        hint=hint,
        placeholder=placeholder,
        focus=focus,
    )


def channel_sees(channel: str, context: RenderContext) -> str:
    """Announce that the channel with this ID will show the operation, as mrkdwn."""
    if not channel:
        return ""
    return context.say(
        "{channel} will see that you did this; WeChat IDs stay hidden there.", channel=f"<#{channel}>"
    )


def _refused_last(refused_at: datetime, context: RenderContext) -> str:
    return context.say(
        "WeChat refused this, most recently {when} (48001). If the right has been granted since, go on.",
        when=date(refused_at, context),
    )
