"""The standard wallet, version 5 revision 1: what its owner signs, and the message that carries it.

signed_request#7369676e wallet_id:int32 valid_until:uint32 seqno:uint32 actions:(Maybe ^OutList) extended:(## 1)
    signature:bits512 = Request;      // the signature covers everything before it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytoniq_core import begin_cell

from fairway.errors import Rejected
from fairway.ton.cells import Cell, to_boc
from fairway.ton.contracts import contract_code
from fairway.ton.messages import address_of, external_message, internal_message, state_init

__all__ = ["MAINNET", "TESTNET", "Transfer", "Wallet"]

MAINNET, TESTNET = -239, -3
"""Networks by their global ID."""

MAX_TRANSFERS = 255

_SIGNED_REQUEST = 0x7369676E
_SEND_MESSAGE = 0x0EC3C86D
_SEND_MODE = 3  # fees from the wallet's own balance; an external request must not fail halfway, so errors are skipped
_CLIENT_CONTEXT = 1 << 31  # basechain, version 0, subwallet 0


@dataclass(frozen=True, slots=True)
class Transfer:
    """A message the wallet is to send."""

    destination: str
    nano: int
    body: Cell | None = None
    bounce: bool = True
    init: Cell | None = None

    def to_cell(self) -> Cell:
        """The whole message; the network fills in who sends it."""
        return internal_message(None, self.destination, self.nano, self.body, bounce=self.bounce, init=self.init)


@dataclass(frozen=True, slots=True)
class Wallet:
    """The wallet of one public key on one network (-239 is mainnet, -3 testnet)."""

    key: bytes
    network: int

    @property
    def wallet_id(self) -> int:
        """The number that binds requests to this network."""
        return (self.network ^ _CLIENT_CONTEXT) & 0xFFFFFFFF

    @property
    def init(self) -> Cell:
        """What the wallet starts from."""
        data = begin_cell().store_bit(1).store_uint(0, 32).store_uint(self.wallet_id, 32).store_bytes(self.key)
        return state_init(contract_code("wallet"), data.store_bit(0).end_cell())

    @property
    def address(self) -> str:
        """Its address, raw."""
        return address_of(self.init)

    def request(self, seqno: int, valid_until: int, transfers: Sequence[Transfer]) -> Cell:
        """What the owner signs (the cell's hash) to have `transfers` sent, in order, while `valid_until` lies ahead."""
        if not 0 < len(transfers) <= MAX_TRANSFERS:
            raise Rejected("wallet.transfers", "a request carries between 1 and 255 messages", count=len(transfers))
        actions = begin_cell().end_cell()
        for transfer in transfers:
            action = begin_cell().store_ref(actions).store_uint(_SEND_MESSAGE, 32).store_uint(_SEND_MODE, 8)
            actions = action.store_ref(transfer.to_cell()).end_cell()
        head = begin_cell().store_uint(_SIGNED_REQUEST, 32).store_uint(self.wallet_id, 32)
        head.store_uint(valid_until, 32).store_uint(seqno, 32)
        return head.store_maybe_ref(actions).store_bit(0).end_cell()

    @staticmethod
    def body(request: Cell, signature: bytes) -> Cell:
        """A signed request as the wallet takes it, and as its transaction shows it."""
        return begin_cell().store_cell(request).store_bytes(signature).end_cell()

    def message(self, request: Cell, signature: bytes, *, deploy: bool) -> bytes:
        """The whole external message of a signed request; `deploy` with the first, whose seqno is 0."""
        body = self.body(request, signature)
        return to_boc(external_message(self.address, body, self.init if deploy else None))
