"""Hosts whose processes have no fixed outgoing address: how to recognise them, and where to get one."""

from __future__ import annotations

from collections.abc import Mapping

# A variable that the host sets in each process, or the beginning of some, with `*`.
VARIABLES: Mapping[str, str] = {
    "DYNO": "Heroku",
    "FLY_APP_NAME": "Fly",
    "RAILWAY_*": "Railway",
    "RENDER": "Render",
}
FIXED_ADDRESS: Mapping[str, str] = {
    "Heroku": "a proxy add-on such as Fixie or QuotaGuard Static",
    "Fly": "an egress address (fly ips allocate-egress)",
    "Railway": "static outbound IPs in the settings of the service",
    "Render": "the outbound addresses that its dashboard lists, or a proxy with a fixed one",
}


def advice(host: str) -> str:
    """Return what to do before an address goes on WeChat's allow-list."""
    return (
        f"First give the bot a fixed outgoing address: on {host} {FIXED_ADDRESS[host]}. "
        "Until then the address may change with each restart."
    )
