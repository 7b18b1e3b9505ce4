"""How often one network may ask for something: kept in memory, for whole addresses in IPv4 and a /64 in IPv6."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

PER_MINUTE = 5
PER_HOUR = 30
MAX_NETWORKS = 50_000


class NetworkLimits:
    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._asked: OrderedDict[str, deque[datetime]] = OrderedDict()

    def allows(self, host: str | None) -> bool:
        """Whether this one may pass, which is then counted. Those of an unknown host share one limit."""
        now = self._clock()
        network = _network(host)
        asked = self._asked.setdefault(network, deque(maxlen=PER_HOUR))
        self._asked.move_to_end(network)
        if len(self._asked) > MAX_NETWORKS:
            self._asked.popitem(last=False)
        last_minute = sum(moment > now - timedelta(minutes=1) for moment in asked)
        last_hour = sum(moment > now - timedelta(hours=1) for moment in asked)
        if last_minute >= PER_MINUTE or last_hour >= PER_HOUR:
            return False
        asked.append(now)
        return True


def _network(host: str | None) -> str:
    try:
        address = ip_address(host or "")
    except ValueError:
        return ""
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
