"""A vault on a LocalChain, and beside it the books of fairway.vault that it must agree with after every move.

Wallets are plain addresses in whose shoes the stage stands. So are the channels here: what the vault sees of a channel
is one wallet's messages. tests/contracts/test_vault_channels.py plays with the real channel contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from fairway.chain.interface import Transaction
from fairway.chain.router import Router
from fairway.channel.statement import channel_id
from fairway.crypto.keys import Signer
from fairway.ton.address import Address
from fairway.ton.cells import Builder, Cell, cell_hash
from fairway.ton.vault_messages import (
    OPEN_VALUE,
    WORD_VALUE,
    WRAP_VALUE,
    AccountView,
    BooksView,
    ChannelParts,
    LossesView,
    Rules,
    VaultParts,
    consent,
    open_channel,
    read_account,
    read_books,
    read_losses,
    read_pool,
    sink_of,
    vault_init,
    wallet_init,
    wrap,
)
from fairway.units import TON
from fairway.vault import books as model
from fairway.vault.state import UNITS

NETWORK = -3
RESPONSE_MS = 600_000
ORDER_CODE, MARKET_CODE = Builder().store_uint(1, 8).end_cell(), Builder().store_uint(2, 8).end_cell()
CHANNEL_CLOSED, CHANNEL_WITHDRAW = 0xDDDC88BA, 0xA32F0B3C


def signer(name: str) -> Signer:
    return Signer.of(sha256(name.encode()).digest())


def address(name: str) -> Address:
    return Address(0, sha256(b"wallet of " + name.encode()).digest())


SERVICE, TREASURY = signer("service"), address("treasury")
ORACLES = [signer(f"oracle {index}") for index in range(4)]
PARTS = ChannelParts(storage_fee=TON // 4, quarantine_s=3600, settling_s=3600, fine=TON // 2)


@dataclass(frozen=True)
class Party:
    """A user and his channel: `channel` is the hash of its address."""

    name: str
    key: Signer
    key_b: Signer
    channel_id: int
    channel: bytes

    @property
    def wallet(self) -> Address:
        return address(self.name)

    @property
    def owner(self) -> Address:
        return Address(0, self.channel)


class Stage:
    def __init__(self, parts: ChannelParts = PARTS) -> None:
        self.router = Router()
        rules = Rules(
            NETWORK, [each.key for each in ORACLES], 3, RESPONSE_MS, cell_hash(ORDER_CODE), cell_hash(MARKET_CODE)
        )
        self.parts = parts
        init = vault_init(VaultParts(TREASURY, SERVICE.key, parts, rules))
        self.vault = Address(0, cell_hash(init))
        self.books = model.Books()
        self.send(TREASURY, self.vault, TON, init=init)

    def send(
        self, source: Address, to: Address, nano: int, body: Cell | None = None, init: Cell | None = None
    ) -> tuple[Transaction, ...]:
        """A message as if `source` had sent it, and all that follows."""
        return self.router.inject(str(source), str(to), nano, body, init=init)

    def party(self, name: str, salt: int = 0) -> Party:
        key, key_b = signer(f"{name} {salt}"), signer(f"service for {name} {salt}")
        number = channel_id(NETWORK, self.vault, key.key, key_b.key, salt.to_bytes(32))
        setup = self.parts.setup(self.vault, number, key.key, key_b.key)
        return Party(name, key, key_b, number, cell_hash(setup.init))

    def open(self, party: Party, salt: int = 0, **forged: bytes) -> tuple[Transaction, ...]:
        agreed = cell_hash(consent(self.vault, party.channel, party.wallet))
        body = open_channel(
            party.key.key,
            party.key_b.key,
            salt.to_bytes(32),
            forged.get("user_consent", party.key.sign(agreed)),
            forged.get("service_consent", SERVICE.sign(agreed)),
        )
        return self.send(party.wallet, self.vault, OPEN_VALUE, body)

    def opened(self, name: str, nano: int = 0, salt: int = 0) -> Party:
        """A registered channel, with `nano` wrapped into it; the books follow."""
        party = self.party(name, salt)
        succeeded(self.open(party, salt))
        succeeded(self.ask(party))
        self.books = model.open_account(self.books, party.channel_id, party.name.encode())
        if nano:
            succeeded(self.wrap(party, nano))
            self.books = model.wrap(self.books, party.channel_id, nano)
        return party

    def ask(self, party: Party) -> tuple[Transaction, ...]:
        """What a channel does when it begins: it asks the master for its wallet."""
        body = Builder().store_uint(0x2C76B973, 32).store_uint(5, 64).store_address(party.owner.foreign())
        return self.word(party.owner, body.store_bit(1).end_cell())

    def wrap(self, party: Party, nano: int) -> tuple[Transaction, ...]:
        return self.send(party.wallet, self.vault, nano + WRAP_VALUE, wrap(party.channel, nano))

    def word(self, source: Address, body: Cell, nano: int = WORD_VALUE) -> tuple[Transaction, ...]:
        return self.send(source, self.vault, nano, body)

    def units_wallet(self, party: Party) -> Address:
        return Address(0, cell_hash(wallet_init(self.vault, party.owner)))

    def transfer(
        self,
        party: Party,
        units: int,
        to: Address,
        word: int = CHANNEL_CLOSED,
        nano: int = TON // 5,
        settled: int | None = None,
    ) -> tuple[Transaction, ...]:
        """What a channel does when it pays: a TEP-74 transfer out of its wallet."""
        told = Builder().store_uint(word, 32).store_uint(party.channel_id, 128)
        note = (told if settled is None else told.store_coins(settled)).end_cell()
        body = Builder().store_uint(0x0F8A7EA5, 32).store_uint(0, 64).store_coins(units).store_address(to.foreign())
        body.store_address(None).store_bit(0).store_coins(1).store_bit(1).store_ref(note)
        return self.send(party.owner, self.units_wallet(party), nano, body.end_cell())

    def pays(
        self, party: Party, user: int | None = None, service: int | None = None, word: int = CHANNEL_CLOSED
    ) -> None:
        """The channel pays its user and then its service; the books follow, payments included."""
        for units, to_sink in ((user, False), (service, True)):
            if units is None:
                continue
            to = sink_of(self.vault) if to_sink else self.vault
            done = self.transfer(party, units, to, word)
            succeeded(done)
            ended = word == CHANNEL_CLOSED
            self.books, payments = model.come_home(self.books, party.channel_id, units, to_sink=to_sink, ended=ended)
            self.check_payments(done, payments)

    def closes(self, party: Party, user: int) -> None:
        held = self.books.accounts[party.channel_id].held
        self.pays(party, user, held - user)

    def check_payments(self, done: Sequence[Transaction], payments: Sequence[model.Payment]) -> None:
        """The vault sent each wallet what the books say, and change that is less than what came with the message."""
        sent: dict[str, int] = {}
        for transaction in done:
            if transaction.address == str(self.vault):
                for message in transaction.outgoing:
                    sent[message.destination or ""] = sent.get(message.destination or "", 0) + message.value
        for wallet in {payment.wallet for payment in payments}:
            owed = sum(payment.nano for payment in payments if payment.wallet == wallet)
            change = sent[str(address(wallet.decode()))] - owed
            assert 0 <= change < TON // 5, (wallet, owed, change)

    def view(self) -> BooksView:
        return read_books(self.router.get(str(self.vault), "get_books"))

    def account(self, party: Party) -> AccountView | None:
        return read_account(self.router.get(str(self.vault), "get_account", (int.from_bytes(party.channel),)))

    def losses(self, party: Party) -> LossesView:
        name = int.from_bytes(party.channel)
        return read_losses(self.router.get(str(self.vault), "get_losses", (name,)))

    def agree(self) -> BooksView:
        """Contract and books say the same, the laws hold, and the TON is really there."""
        view, books = self.view(), self.books
        assert (view.locked, view.protected, view.bond) == (books.locked, books.protected, books.bond)
        assert (view.supply, view.sink, view.missing) == (books.supply, books.sink, books.missing)
        assert [nano for _, nano in view.claims] == [claim.nano for claim in books.claims]
        pool = read_pool(self.router.get(str(self.vault), "get_pool"))
        known = books.pool
        assert (pool.value, pool.shares, pool.epoch, pool.posted_s) == (
            known.value, known.shares, known.epoch, known.posted_s,
        )  # fmt: skip
        assert [nano for _, nano in pool.exits] == [each.nano for each in known.exits]
        assert view.supply == UNITS * (view.locked - view.bond) + view.missing
        assert view.locked >= view.protected
        assert self.router.account(str(self.vault)).balance >= view.locked
        return view


def succeeded(done: Sequence[Transaction]) -> Sequence[Transaction]:
    """No contract among these refused anything; an address without a contract takes what it is given."""
    for each in done:
        assert {each.exit_code, each.result_code} <= {None, 0}, each
    return done


def refused(done: Sequence[Transaction], exit_code: int) -> None:
    """The first contract refused with this code."""
    assert (done[0].aborted, done[0].exit_code) == (True, exit_code), done[0]
