"""What an audit says when it says no."""

from __future__ import annotations

from fairway.errors import FairwayError

__all__ = ["Lie"]


class Lie(FairwayError):
    """Entry `seq` is wrong (None: the journal as a whole); `code` and the message say why."""

    def __init__(self, seq: int | None, code: str, message: str) -> None:
        super().__init__(code, message if seq is None else f"entry {seq}: {message}", seq=seq)
        self.seq = seq
