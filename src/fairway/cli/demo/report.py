"""What a demo was: read from the service's own counters, the sealed journal, the chain, and the traders."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from fairway.audit.examiner import Examiner
from fairway.chain.interface import Transaction
from fairway.channel.codec import Challenge, OpenChallenge
from fairway.cli.demo.measure import proof_times_us
from fairway.exchange.effect import ProveRecord
from fairway.exchange.ledger import WORLD
from fairway.service import archive
from fairway.settlement.settlement import Settlement
from fairway.ton.cells import from_boc
from fairway.ton.vault_messages import BooksView

__all__ = ["Report", "examine", "show"]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The object that `--json` prints. Counts, except where a name says otherwise."""

    traders: int
    orders: int
    fills: int
    partial_fills: int
    cross_fills: int
    cancels: int
    cancels_lost: int
    take_profits: int
    stop_losses: int
    liquidations: int
    deleverages: int
    punishments: int
    absolutions: int
    rates_zeroed: int
    challenges: int
    tower_answers: int
    partial_withdrawals: int
    closes: int
    states_cosigned: int
    settlements: int
    settlements_proved: int
    settlements_verified: int
    lends: int
    redemptions: int
    epochs_shown: int
    epochs_verified: int
    ranged_values_verified: int
    chain_transactions: int
    journal_entries: int
    crashes: int
    balances_before_countersigning: int
    money_conserved: bool
    lend_state_matches_channels: bool
    pool_solvent_at_every_epoch: bool
    vault_matches_ledger: bool
    book_hash_replayed: bool
    state_hash_replayed: bool
    orders_per_second: int
    signature_limit_per_second: int
    settlement_prove_us: int
    settlement_verify_us: int
    service_start_ms: int
    service_replay_events_per_second: int
    service_resident_mib: int
    seconds: int
    directory: str

    def broken(self) -> list[str]:
        """The names of the invariants that did not hold."""
        held = {name: getattr(self, name) for name in self.__struct_fields__}
        wrong = [name for name, value in held.items() if value is False]
        if self.settlements_verified != self.settlements:
            wrong.append("settlements_verified")
        return wrong


class Verdict(msgspec.Struct, frozen=True):
    """What the examination of a sealed journal found."""

    counts: dict[str, int]
    verified: int
    epochs: int
    ranged: int
    entries: int
    inside: int
    conserved: bool
    lend_state: bool
    solvent: bool
    book: bool
    state: bool
    prove_us: int
    verify_us: int


def examine(service: Path) -> Verdict:
    """Re-execute the journal in `service` with every signature and proof.

    Errors: `Unavailable`; `Lie` where anything, the identities after each event among it, does not hold.
    """
    examiner, sample = Examiner(), None
    for entry in archive.entries(service):
        for effect in examiner.feed(entry):
            if isinstance(effect, ProveRecord) and isinstance(effect.record, Settlement):
                sample = effect.record
    tally, engine = examiner.finish(), examiner.engine
    last = archive.checkpoints(service)[-1]
    prove_us, verify_us = proof_times_us(sample) if sample else (0, 0)
    return Verdict(
        counts={name: getattr(engine.venue.counts, name) for name in engine.venue.counts.__slots__},
        verified=tally.proofs - tally.lender_moves,
        epochs=tally.epochs,
        ranged=tally.ranged_values,
        entries=tally.entries,
        inside=-engine.venue.ledger.balances[WORLD],
        conserved=sum(engine.venue.ledger.balances.values()) == 0,
        lend_state=engine.venue.lend_state_matches_channels(),
        solvent=bool(examiner.epochs) and all(each.holds() for each in examiner.epochs),
        book=last.book_digest == engine.book_digest(),
        state=last.digest == engine.digest(),
        prove_us=prove_us,
        verify_us=verify_us,
    )


class ChainTally(NamedTuple):
    """How many transactions the embedded chain has run; how many challenges a channel took, signed and from a tower."""

    transactions: int
    challenges: int
    answers: int


def tally_chain(folder: Path) -> ChainTally:
    """Count what is kept in `folder`."""
    with closing(sqlite3.connect(f"{(folder / 'chain.sqlite').absolute().as_uri()}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT record FROM transactions").fetchall()
    words = Counter(_word(msgspec.msgpack.decode(row[0], type=Transaction)) for row in rows)
    return ChainTally(len(rows), words[Challenge.OP], words[OpenChallenge.OP])


def _word(transaction: Transaction) -> int | None:
    """What the message that was taken begins with; None where none was."""
    if transaction.aborted or transaction.incoming is None:
        return None
    words = from_boc(transaction.incoming.body).begin_parse()
    return words.load_uint(32) if words.remaining_bits >= 32 else None


def vault_agrees(books: BooksView, inside: int) -> bool:
    """The TON locked in the vault is what the ledger says is inside, less what waits to be paid."""
    waiting = sum(nano for _, nano in books.claims)
    return books.locked - waiting == inside


ROWS = (
    ("orders", "orders placed, each co-signed"),
    ("fills", "fills"),
    ("partial_fills", "  of them partial"),
    ("cross_fills", "  of them out of a pot (cross margin)"),
    ("cancels", "cancels that won"),
    ("cancels_lost", "cancels that lost against a fill"),
    ("take_profits", "take-profits"),
    ("stop_losses", "stop-losses"),
    ("liquidations", "liquidations"),
    ("deleverages", "deleverages"),
    ("punishments", "punishments by the vault's rate"),
    ("absolutions", "absolutions"),
    ("rates_zeroed", "rates set to zero"),
    ("challenges", "stale closes challenged on chain"),
    ("tower_answers", "stale closes answered by a tower"),
    ("partial_withdrawals", "partial withdrawals"),
    ("closes", "channels closed and unwrapped"),
    ("states_cosigned", "states co-signed"),
    ("settlements_proved", "settlements proved"),
    ("settlements_verified", "settlements verified again"),
    ("ranged_values_verified", "ranges verified, in epochs"),
    ("lends", "lenders who came, on chain"),
    ("redemptions", "lenders who left with their share"),
    ("epochs_shown", "epochs that show the pool solvent"),
    ("chain_transactions", "transactions on chain"),
    ("crashes", "service crashes (kill -9) survived"),
)
CLAIMS = (
    ("money_conserved", "money conserved after every event"),
    ("lend_state_matches_channels", "lendState is what the channels say"),
    ("pool_solvent_at_every_epoch", "the pool is solvent at every epoch, and accounted for"),
    ("vault_matches_ledger", "TON in the vault is what the ledger says"),
    ("book_hash_replayed", "the replayed books are the live books"),
    ("state_hash_replayed", "the replayed state is the live state"),
)


def show(report: Report, console: Console) -> None:
    """The report as a table a person can read."""
    table = Table(title="What happened", show_header=False, title_justify="left")
    table.add_column(justify="left")
    table.add_column(justify="right")
    for name, words in ROWS:
        table.add_row(words, f"{getattr(report, name):,}")
    console.print(table)
    claims = Table(title="What held", show_header=False, title_justify="left")
    for name, words in CLAIMS:
        claims.add_row(words, "[green]yes[/]" if getattr(report, name) else "[bold red]NO[/]")
    console.print(claims)
    console.print(
        f"{report.traders} traders, {report.orders_per_second:,} co-signed orders a second in the flow (one core's "
        f"signatures alone allow {report.signature_limit_per_second:,}). A settlement is proved in "
        f"{report.settlement_prove_us} µs and verified in {report.settlement_verify_us} µs, ranges apart. "
        f"{report.seconds} s in all. Kept in {report.directory}: try `fairway audit {report.directory}`."
    )
