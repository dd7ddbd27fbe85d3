"""The context of a rendering: every input besides its data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from bot.alerting.episode import AlertPolicy
from bot.alerting.quiet_hours import SHANGHAI
from bot.settings.values import Settings


class RenderMode(Enum):
    """Where the words appear, which decides how moments and users are written."""

    POST = "post"  # blocks of a message about to be posted: a link to a user would notify that user
    EDIT = "edit"  # blocks of an edit, or of an answer to one person: they notify no user
    TEXT = "text"  # fallback text for notifications and screen readers: no date tokens, no links


@dataclass(frozen=True, slots=True)
class RenderContext:
    """Settings, reader and purpose of one rendering."""

    policy: AlertPolicy
    poll: timedelta = timedelta(minutes=5)  # the interval of polls that succeed
    zone: ZoneInfo = SHANGHAI  # of "tomorrow 9:00"
    text_zone: ZoneInfo | None = None  # of moments that Slack does not convert to the reader's zone; None: UTC
    around: datetime | None = None  # a moment more than ten months from this one is written with its year
    mention: str = ""  # of the on-call user or group, as mrkdwn: `<!subteam^S…>`
    platform: str = ""  # the host, if its processes have no fixed address
    mode: RenderMode = RenderMode.EDIT

    @classmethod
    def from_settings(cls, settings: Settings) -> RenderContext:
        return cls(
            policy=AlertPolicy(leads=settings.alert_leads, quiet=settings.quiet),
            poll=timedelta(seconds=settings.poll_seconds),
            zone=settings.timezone,
            text_zone=settings.timezone,
            mention=settings.alert_mention,
            platform=settings.platform_without_proxy,
        )

    @property
    def as_text(self) -> RenderContext:
        """Return the context of the fallback text of the same message."""
        return replace(self, mode=RenderMode.TEXT)
