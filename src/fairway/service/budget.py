"""How much one connection may ask: a bucket of tokens that refills with time. Who overdraws it waits."""

from __future__ import annotations

__all__ = ["Budget"]


class Budget:
    """Up to `burst` tokens at once, `rate` a second in the long run. Time is an argument, in milliseconds."""

    def __init__(self, rate: int, burst: int, now_ms: int) -> None:
        self._rate = rate
        self._burst_micros = burst * 1_000_000
        self._micros = self._burst_micros
        self._now_ms = now_ms

    def spend(self, tokens: int, now_ms: int) -> int:
        """Take `tokens`, into debt if need be; how many milliseconds the spender waits before he asks again."""
        refill = max(0, now_ms - self._now_ms) * self._rate * 1000
        self._now_ms = now_ms
        self._micros = min(self._burst_micros, self._micros + refill) - tokens * 1_000_000
        return max(0, -self._micros) // (self._rate * 1000)
