"""A channel on a chain of its own, its two sides' keys, and short words for what they sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairway.chain.interface import Transaction
from fairway.chain.router import FAUCET, Router
from fairway.channel.codec import Agreed, Challenge, Finish, Init, Message, Signed, Start, Statement, TopUp, encode
from fairway.channel.conditionals import Conditionals
from fairway.channel.state import Body, Half, SignedHalf
from fairway.crypto.keys import public_key, sign
from fairway.ton.channel_view import ChannelView, read_channel
from fairway.ton.contracts import ChannelSetup
from fairway.ton.messages import address_of

TON = 10**9
SEED_A, SEED_B = b"a" * 32, b"b" * 32
WALLET_A, WALLET_B = "0:" + "aa" * 32, "0:" + "bb" * 32
STRANGER = "0:" + "cc" * 32
CHANNEL = 77
QUARANTINE_S, SETTLING_S, FINE = 3600, 1800, TON // 2
NOTHING = bytes(32)


def body(seqno: int, sent: int = 0, conditionals: Conditionals | None = None) -> Body:
    return Body(seqno, sent, conditionals.root_hash() if conditionals else NOTHING)


def half(seed: bytes, own: Body, cited: Body | None = None, channel_id: int = CHANNEL) -> SignedHalf:
    made = Half(channel_id, own, cited)
    return SignedHalf(made, sign(seed, made.digest()))


def half_a(own: Body, cited: Body | None = None) -> SignedHalf:
    return half(SEED_A, own, cited)


def half_b(own: Body, cited: Body | None = None) -> SignedHalf:
    return half(SEED_B, own, cited)


def signed(statement: Statement, *, by_a: bool) -> Signed:
    return Signed(by_a, sign(SEED_A if by_a else SEED_B, statement.digest()), statement)


def both(statement: Statement) -> Agreed:
    digest = statement.digest()
    return Agreed(sign(SEED_A, digest), sign(SEED_B, digest), statement)


@dataclass
class Stage:
    key_a: bytes = public_key(SEED_A)
    key_b: bytes = public_key(SEED_B)
    currency: str | int | None = None
    storage_fee: int = TON // 4
    router: Router = field(default_factory=Router)

    def __post_init__(self) -> None:
        setup = ChannelSetup(
            channel_id=CHANNEL,
            key_a=self.key_a,
            key_b=self.key_b,
            destination_a=WALLET_A,
            destination_b=WALLET_B,
            currency=self.currency,
            storage_fee=self.storage_fee,
            quarantine_s=QUARANTINE_S,
            settling_s=SETTLING_S,
            fine=FINE,
        )
        self.address = address_of(setup.init)
        self.router.inject(FAUCET, self.address, TON, init=setup.init, bounce=False)

    def tell(
        self, message: Message, nano: int = TON // 5, sender: str = STRANGER, extra: Mapping[int, int] | None = None
    ) -> Transaction:
        return self.router.inject(sender, self.address, nano, encode(message), extra=extra)[0]

    def inited(self) -> Stage:
        assert self.tell(signed(Init(CHANNEL), by_a=True)).exit_code == 0
        return self

    def funded(self, nano_a: int, nano_b: int) -> Stage:
        self.inited()
        for is_a, nano in ((True, nano_a), (False, nano_b)):
            if nano:
                assert self.tell(TopUp(is_a), nano + 30_000_000).exit_code == 0
        return self

    def start(self, a: SignedHalf, b: SignedHalf, *, by_a: bool) -> Transaction:
        return self.tell(signed(Start(CHANNEL, a, b), by_a=by_a))

    def challenge(self, a: SignedHalf, b: SignedHalf, *, by_a: bool) -> Transaction:
        return self.tell(signed(Challenge(CHANNEL, a, b), by_a=by_a))

    def finish(self) -> Transaction:
        self.router.advance(QUARANTINE_S + SETTLING_S + 1)
        return self.tell(Finish())

    def view(self) -> ChannelView:
        return read_channel(self.router.get(self.address, "getChannelData"))

    def shares(self) -> tuple[int, int]:
        """What the contract now says each side has."""
        return self.view().balance_a, self.view().balance_b

    def state(self) -> int:
        return self.router.get(self.address, "getChannelState")[0]

    def paid(self, wallet: str) -> int:
        return self.router.account(wallet).balance
