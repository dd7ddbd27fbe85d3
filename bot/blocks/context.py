"""What every channel message shares: the numbers behind its words, the zones of its times, whom it may call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from bot.episodes import AlertPolicy
from bot.quiet import SHANGHAI


@dataclass(frozen=True, slots=True)
class Look:
    """What every channel message shares."""

    policy: AlertPolicy
    poll: timedelta  # how often WeChat is read while all is well
    zone: ZoneInfo = SHANGHAI  # where "tomorrow 9:00" is
    spoken: ZoneInfo | None = None  # the zone of texts that Slack does not put into the reader's own; None: UTC
    mention: str = ""  # whom to call, as mrkdwn: `<!subteam^S…>`
    platform: str = ""  # the host, if its processes have no fixed address

    @property
    def smallest_lead(self) -> timedelta:
        return self.policy.smallest_lead
