"""How often one caller may call: a bucket of calls per key or address that fills again with time."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

MAX_CALLERS = 50_000


class RateLimit:
    """`per_minute` calls a minute for each caller, who may make them all at once."""

    def __init__(self, per_minute: int, clock: Callable[[], datetime]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    def wait_seconds(self, caller: str) -> int:
        """0 if the caller may go on, which is then counted; else whole seconds until the next call is free."""
        now = self._clock()
        left, since = self._left.get(caller, (float(self.per_minute), now))
        left = min(self.per_minute, left + (now - since).total_seconds() * self.per_minute / 60)
        allowed = left >= 1
        self._left[caller] = (left - 1 if allowed else left, now)
        self._left.move_to_end(caller)
        if len(self._left) > MAX_CALLERS:
            self._left.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - left) * 60 / self.per_minute))
