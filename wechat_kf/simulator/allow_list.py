"""The API IP allow-list of an Official Account, as the developer platform takes it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network


class AllowList:
    """The addresses and ranges that may call the API."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Read the entries, such as `203.0.113.7` and `203.0.113.0/24`.

        Raises:
            ValueError: the platform refuses an entry: `203.0.113.*`, which only Mini Programs have, or a port.
        """
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(map(ip_network, entries))

    def __contains__(self, address: str) -> bool:
        return any(ip_address(address) in network for network in self._networks)
