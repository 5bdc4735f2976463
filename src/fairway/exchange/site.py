"""Where a channel stands on chain: the contract that its venue's rules and its keys make, and whom it pays.

Both sides compute the same and so does the vault: no other contract can stand in for a channel.
"""

from __future__ import annotations

from typing import Protocol

from fairway.ton.address import Address
from fairway.ton.cells import cell_hash
from fairway.ton.contracts import ChannelSetup
from fairway.ton.vault_messages import ChannelParts, consent

__all__ = ["SiteRules", "channel_parts", "channel_setup", "consent_digest"]


class SiteRules(Protocol):
    """What `event.Founded` and `wire.Welcome` say of the contracts; amounts in nano."""

    @property
    def vault(self) -> str:
        """The vault's raw address."""

    @property
    def fine(self) -> int:
        """What a stale close costs."""

    @property
    def storage_fee(self) -> int:
        """What a channel keeps for its rent."""

    @property
    def quarantine_s(self) -> int:
        """How long a submitted state may be answered."""

    @property
    def settling_s(self) -> int:
        """How long conditionals may be settled after that."""


def channel_parts(rules: SiteRules) -> ChannelParts:
    """What all channels of the venue have in common."""
    return ChannelParts(rules.storage_fee, rules.quarantine_s, rules.settling_s, rules.fine)


def channel_setup(rules: SiteRules, channel_id: bytes, key_a: bytes, key_b: bytes) -> ChannelSetup:
    """What the channel's contract starts from; the hash of its `init` is the contract's address."""
    return channel_parts(rules).setup(Address.parse(rules.vault), int.from_bytes(channel_id), key_a, key_b)


def consent_digest(rules: SiteRules, setup: ChannelSetup, payout: str) -> bytes:
    """What the user's channel key and the vault's service key sign: this channel pays out to the wallet `payout`."""
    return cell_hash(consent(Address.parse(rules.vault), cell_hash(setup.init), Address.parse(payout)))
