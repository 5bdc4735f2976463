"""The three messages that open a channel and pay into it, in the order in which they may be sent.

register (vault) → begin (the channel's contract) → wrap (vault)
"""

from __future__ import annotations

from fairway.channel import codec
from fairway.client.sentry import MARGIN
from fairway.client.side import Side
from fairway.ton import vault_messages as vault
from fairway.ton.messages import address_of
from fairway.ton.wallet import Transfer

__all__ = ["begin", "register", "wrap"]


def register(side: Side) -> Transfer:
    """Make the channel known to the vault, with the consent of both sides. Errors: `Rejected` (`side.ungranted`)."""
    opened, welcome = side.replica.opened, side.replica.welcome
    body = vault.open_channel(opened.key_a, welcome.key_b, opened.salt, *side.consents())
    return Transfer(welcome.vault, vault.OPEN_VALUE, body)


def begin(side: Side) -> Transfer:
    """Deploy the channel's contract and let it begin."""
    init = side.setup.init
    body = codec.encode(side.tell(codec.Init(side.setup.channel_id)))
    return Transfer(address_of(init), side.replica.welcome.storage_fee + MARGIN, body, init=init)


def wrap(side: Side, nano: int) -> Transfer:
    """Wrap `nano` into the channel, once the vault takes deposits for it."""
    body = vault.wrap(side.setup.init.hash, nano)
    return Transfer(side.replica.welcome.vault, nano + vault.WRAP_VALUE, body)
