"""What all simulated days have in common: the venue's charter, its oracle, who trades there."""

from __future__ import annotations

from fairway.crypto import keys
from fairway.service.deploy import Charter
from fairway.units import TON

NETWORK = -3
ORACLES = [keys.derive_seed(b"day", "oracle", bytes([place])) for place in range(3)]
MARKS = {1: 52_000, 2: 51_500}
DEPOSIT = 100 * TON
TRADERS = ("alice", "bob", "carol")
LATE = "dave"
"""He comes while everything goes wrong."""
PATIENCE_S, STALE_S, QUARANTINE_S, SETTLING_S = 30, 20, 60, 60
CHARTER = Charter(
    NETWORK, [keys.public_key(each) for each in ORACLES], 2, PATIENCE_S, STALE_S, QUARANTINE_S, SETTLING_S
)
