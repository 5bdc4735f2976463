"""Opening a channel from a wallet that somebody else keeps: requests as TON Connect has them (`sendTransaction`).

Two requests, not one. The first registers the channel and lets its contract begin; the contract then asks the vault
for its wallet, and only when that question has reached the vault does it take deposits. A wrap in the same request
would overtake the question and come back (817). The first two may go together: a shard takes messages in the order of
their logical time, and the question is younger than the registration it needs. Should it come first for all that, the
vault does not know whom it answers: the channel asks again when it is told once more to begin.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import urlencode

from fairway.client.opening import begin, register, wrap
from fairway.client.side import Side
from fairway.errors import Rejected, Unavailable
from fairway.ton.address import Address
from fairway.ton.cells import to_boc
from fairway.ton.channel_view import ChannelView
from fairway.ton.vault_messages import AccountView
from fairway.ton.wallet import TESTNET, Transfer

__all__ = ["MOST_MESSAGES", "Request", "link", "opening", "request"]

Request: TypeAlias = "dict[str, str | int | list[dict[str, str]]]"

PATIENCE_S = 60
"""How long the channel's question may be on its way to the vault."""
MOST_MESSAGES = 4
"""What every wallet takes in one request (those of version 4 no more)."""


def opening(
    side: Side, account: AccountView | None, channel: ChannelView | None, nano: int, *, silent_s: int = 0
) -> list[Transfer]:
    """The transfers that can be sent now to open the channel and wrap `nano` into it; none when that is done.

    `account` and `channel` are what the chain shows of it, `silent_s` how long nothing has happened to the channel.
    Errors: `Rejected` `side.ungranted` (the service has not signed yet: nothing is sent before); `Unavailable`
    `tonconnect.unready` (begun, and the vault has not heard yet).
    """
    side.consents()
    if account is not None and (account.ended or (channel is not None and channel.deposit_a)):
        return []
    if account is not None and account.ready:
        return [wrap(side, nano)]
    if channel is not None and silent_s < PATIENCE_S:
        raise Unavailable("tonconnect.unready", "the channel has begun but cannot be paid into yet: ask again shortly")
    return [begin(side)] if account is not None else [register(side), begin(side)]


def request(side: Side, transfers: Sequence[Transfer], valid_until: int) -> Request:
    """What a wallet is asked to approve: `transfers`, in order, from the wallet that the channel pays out to."""
    if not 0 < len(transfers) <= MOST_MESSAGES:
        raise Rejected("tonconnect.messages", "a request carries between 1 and 4 messages", count=len(transfers))
    network = side.replica.welcome.network
    return {
        "valid_until": valid_until,
        "network": str(network),
        "from": side.replica.opened.payout,
        "messages": [_message(each, testnet=network == TESTNET) for each in transfers],
    }


def link(transfer: Transfer, *, testnet: bool) -> str:
    """The same for one message, as a link that wallets open."""
    message = _message(transfer, testnet=testnet)
    renamed = {"payload": "bin", "stateInit": "init"}
    query = {renamed.get(name, name): value for name, value in message.items() if name != "address"}
    return f"ton://transfer/{message['address']}?{urlencode(query)}"


def _message(transfer: Transfer, *, testnet: bool) -> dict[str, str]:
    address = Address.parse(transfer.destination).friendly(bounceable=transfer.bounce, testnet=testnet)
    message = {"address": address, "amount": str(transfer.nano)}
    if transfer.body is not None:
        message["payload"] = b64encode(to_boc(transfer.body)).decode()
    if transfer.init is not None:
        message["stateInit"] = b64encode(to_boc(transfer.init)).decode()
    return message
