"""What a stopped chain's file shows of a venue: read from a copy, so that the file itself is never touched."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fairway.audit.onchain import ChainClaims, ChannelFacts, Dispute, HomeComing, LenderMove, Posted, TopUp, VaultFacts
from fairway.chain.interface import Message, Transaction
from fairway.chain.router import Router
from fairway.channel import codec
from fairway.errors import FairwayError, Unavailable
from fairway.exchange.event import NO_CHANNEL
from fairway.exchange.site import channel_setup
from fairway.service.lenders import LenderSight
from fairway.service.sight import come_home, judged_channel, slashed_channel
from fairway.ton.address import Address
from fairway.ton.cells import Builder, Slice, from_boc
from fairway.ton.messages import address_of
from fairway.ton.vault_messages import AccountView, PoolView, read_account, read_books, read_pool, wallet_init

__all__ = ["copied", "read_chain"]

EVERYTHING = 1 << 40
NOTIFICATION, TRANSFER, MINT = 0x7362D09C, 0x0F8A7EA5, 0x178D4519
REPAY, TOP_UP = 0x52455059, 0x593E3893


@contextmanager
def copied(path: Path) -> Iterator[Path]:
    """A copy of an SQLite file and what lies beside it, as long as it is needed."""
    with TemporaryDirectory(prefix="fairway-audit-") as folder:
        try:
            for part in ("", "-wal", "-journal"):
                if (source := path.with_name(path.name + part)).exists():
                    shutil.copyfile(source, Path(folder) / source.name)
        except OSError as error:
            raise Unavailable("audit.read", f"cannot read {path}: {error.strerror}") from error
        yield Path(folder) / path.name


def read_chain(path: Path, claims: ChainClaims) -> tuple[VaultFacts, dict[bytes, ChannelFacts]]:
    """The vault and every channel that the journal opened. Errors: `Unavailable` (`chain.database`)."""
    with copied(path) as copy, closing(Router(copy)) as router:
        try:
            return _Reading(router, claims).facts()
        except FairwayError as error:
            raise Unavailable("chain.database", f"the chain does not show this venue: {error.message}") from error


class _Reading:
    """One reading of one chain."""

    def __init__(self, router: Router, claims: ChainClaims) -> None:
        rules = claims.founded
        self._router = router
        self._vault = rules.vault
        self._addresses = {
            channel_id: address_of(channel_setup(rules, channel_id, opened.key_a, opened.key_b).init)
            for channel_id, (_, opened) in claims.opened.items()
        }
        self._channels = {address: channel_id for channel_id, address in self._addresses.items()}

    def facts(self) -> tuple[VaultFacts, dict[bytes, ChannelFacts]]:
        """Both at once: the vault is looked at after its channels."""
        channels = {channel_id: self._channel(address) for channel_id, address in self._addresses.items()}
        return self._vault_facts({facts.payout for facts in channels.values()}), channels

    # Channels

    def _channel(self, address: str) -> ChannelFacts:
        transactions = self._router.transactions(address, 0, EVERYTHING)
        view = self._account(address)
        wallet = address_of(wallet_init(Address.parse(self._vault), Address.parse(address)))
        return ChannelFacts(
            payout=str(view.wallet) if view else "",
            transactions={each.digest: each.lt for each in transactions},
            top_ups=_top_ups(transactions, wallet),
            disputes=[shown for each in transactions if (shown := _dispute(each)) is not None],
            liens={match_id: lien.owed for match_id, lien in view.liens.items()} if view else {},
        )

    def _account(self, address: str) -> AccountView | None:
        name = int(address.removeprefix("0:"), 16)
        return read_account(self._router.get(self._vault, "get_account", (name,)))

    # The vault

    def _vault_facts(self, payouts: set[str]) -> VaultFacts:
        transactions = [each for each in self._router.transactions(self._vault, 0, EVERYTHING) if not each.aborted]
        books = read_books(self._router.get(self._vault, "get_books"))
        claims: Counter[str] = Counter()
        for wallet, nano in books.claims:
            claims[str(wallet)] += nano
        homes = [found for each in transactions if (found := self._home(each)) is not None]
        ends = {home.digest for home in homes}
        sight = LenderSight()
        lenders, lent = _lent(transactions, sight)
        return VaultFacts(
            locked=books.locked,
            bond=books.bond,
            wrapped=sum(_minted(message) for each in transactions for message in each.outgoing),
            lent=lent + sum(nano for _, nano in self._pool().exits),
            claims=claims,
            paid_later=_sent((each for each in transactions if each.digest not in ends), payouts),
            homes=homes,
            judgements=self._about(transactions, judged_channel),
            slashings=self._slashings(transactions),
            transactions={each.digest: each.lt for each in transactions},
            lenders=lenders,
            posts=[Posted(*each) for each in sight.posts],
        )

    def _about(
        self, transactions: Iterable[Transaction], named: Callable[[Transaction], bytes | None]
    ) -> dict[bytes, bytes]:
        """The transactions that name a channel of the journal: by digest, the channel's ID."""
        names = {each.digest: named(each) for each in transactions}
        addresses = {digest: f"0:{name.hex()}" for digest, name in names.items() if name is not None}
        return {digest: self._channels[each] for digest, each in addresses.items() if each in self._channels}

    def _slashings(self, transactions: Iterable[Transaction]) -> dict[bytes, bytes]:
        """The same of lies that the bond has paid for; one in a channel that the journal does not know has no name."""
        unknown = [each for each in transactions if slashed_channel(each) is not None]
        return dict.fromkeys([each.digest for each in unknown], NO_CHANNEL) | self._about(unknown, slashed_channel)

    def _pool(self) -> PoolView:
        return read_pool(self._router.get(self._vault, "get_pool"))

    def _home(self, transaction: Transaction) -> HomeComing | None:
        home = come_home(transaction)
        if home is None:
            return None
        view = self._account(home.address)
        sent = _sent([transaction], {str(view.wallet)} if view else set())
        channel_id = self._channels.get(home.address, b"")
        paid = sum(sent.values())
        return HomeComing(transaction.lt, transaction.digest, channel_id, home.value, paid, home.charged, home.ends)


def _top_ups(transactions: Iterable[Transaction], wallet: str) -> list[TopUp]:
    """Totals after each notification of the channel's own jetton wallet that it did not send back."""
    totals, shown = [0, 0], [TopUp(0, 0, 0)]
    for each in transactions:
        fields = _body(each.incoming)
        if each.aborted or each.incoming is None or each.incoming.source != wallet or _word(fields) != NOTIFICATION:
            continue
        if any(_word(_body(message)) == TRANSFER for message in each.outgoing):
            continue
        fields.skip_bits(96)
        nano = fields.load_coins() or 0
        fields.load_address()
        payload = fields.load_ref().begin_parse() if fields.load_bit() else fields
        if payload.load_uint(32) == TOP_UP:
            totals[0 if payload.load_bit() else 1] += nano
            shown.append(TopUp(each.lt, *totals))
    return shown


def _dispute(transaction: Transaction) -> Dispute | None:
    """The halves that a transaction showed the channel, if it did."""
    if transaction.aborted or transaction.incoming is None:
        return None
    try:
        message = codec.decode(from_boc(transaction.incoming.body))
    except FairwayError:
        return None
    match message:
        case codec.Signed(by_a, _, codec.Start(_, a, b)):
            return Dispute(transaction.lt, True, by_a, a.half.seqno, b.half.seqno)
        case codec.Signed(by_a, _, codec.Challenge(_, a, b)):
            return Dispute(transaction.lt, False, by_a, a.half.seqno, b.half.seqno)
        case codec.OpenChallenge(codec.Challenge(_, a, b)):
            return Dispute(transaction.lt, False, False, a.half.seqno, b.half.seqno)
    return None


def _minted(message: Message) -> int:
    """What a message of the vault wraps on the user's side of a channel."""
    fields = _body(message)
    if _word(fields) != MINT:
        return 0
    fields.skip_bits(96)
    nano = fields.load_coins() or 0
    fields.load_address()
    fields.load_address()
    fields.load_coins()
    payload = fields.load_ref().begin_parse() if fields.load_bit() else fields
    return nano if payload.load_uint(32) == TOP_UP and payload.load_bit() else 0


def _lent(transactions: Iterable[Transaction], sight: LenderSight) -> tuple[dict[bytes, LenderMove], int]:
    """Every move of a lender by its digest, and what all of them, and the operator's fees, leave in the vault."""
    moves, inside = dict[bytes, LenderMove](), 0
    for each in transactions:
        move = sight.see(each)
        if move is not None:
            moves[move.digest] = LenderMove(move.wallet, move.nano, move.shares, move.held)
            inside += -move.nano if move.leaves else move.nano
        fields = _body(each.incoming)
        if _word(fields) == REPAY:
            fields.skip_bits(96)
            fields.load_address()
            inside -= fields.load_coins() or 0
    return moves, inside


def _sent(transactions: Iterable[Transaction], wallets: set[str]) -> Mapping[str, int]:
    """What these transactions send to `wallets`."""
    sent: Counter[str] = Counter()
    for each in transactions:
        for message in each.outgoing:
            if message.destination in wallets:
                sent[message.destination] += message.value
    return sent


def _body(message: Message | None) -> Slice:
    return from_boc(message.body).begin_parse() if message else Builder().end_cell().begin_parse()


def _word(fields: Slice) -> int:
    """The first word of a body, without moving on; 0 where there is none."""
    return fields.preload_uint(32) if fields.remaining_bits >= 32 else 0
