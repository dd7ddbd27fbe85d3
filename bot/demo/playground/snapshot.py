"""All of the playground at a moment, for a page that has just come."""

from __future__ import annotations

from typing import Any

from bot.demo.playground import serializers, suggestions
from bot.demo.playground.installations import CHANNELS
from bot.demo.playground.people import PEOPLE, shown
from bot.demo.playground.presets import PRESETS
from bot.demo.playground.sandbox import Sandbox
from bot.demo.playground.user_actions import COMMAND
from bot.demo.slack_simulator import wire


def whole(world: Sandbox) -> dict[str, Any]:
    """Return everything that a newly opened page needs."""
    slack, installation = world.slack, world.installation
    hint, offered = suggestions.usage()
    posted = [one for channel in slack.channels for one in slack.messages(channel)]
    return {
        "began": world.began,  # distinguishes this playground from the next one at the same address
        "people": {person: shown(one) for person, one in PEOPLE.items()},
        "groups": {},
        "bot_user": wire.BOT_USER,
        "bot_name": "KF",
        "command": COMMAND,
        "usage_hint": hint,
        "suggestions": [*suggestions.of_accounts(installation), *offered],
        "channels": [{"id": channel, "name": CHANNELS[channel]} for channel in installation.channels],
        "alert_channels": installation.alert_channels,
        "accounts": [{"appid": account.appid, "name": account.name} for account in installation.consoles],
        "platform": world.present_platform(),
        "messages": [
            serializers.message(one)
            for one in sorted([*posted, *slack.ephemerals.values()], key=lambda one: one.ts)
        ],
        "modals": [serializers.modal(slack.views, user) for user in slack.views.modals],
        "homes": [serializers.home(one) for one in slack.views.homes.values()],
        "seats": world.present_seats(),
        "clock": world.present_clock(),
        "bot": world.present_bot(),
        "zone": world.zone,
        "language": world.language,
        "faults": world.present_faults(),
        "wire": [serializers.entry(one) for one in world.wire.entries],
        "presets": [{"name": name, "label": preset.label} for name, preset in PRESETS.items()],
    }
