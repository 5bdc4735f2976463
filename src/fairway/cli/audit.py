"""`fairway audit`: vouch for a journal, or name the first thing in it that is wrong. Reads only, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from fairway.audit.auditor import Auditor
from fairway.audit.records import check, decode
from fairway.cli.dossier import Dossier, Sealed, audit, is_lie
from fairway.cli.records import read_view_key
from fairway.errors import FairwayError
from fairway.exchange.shown import Shown
from fairway.units import TON, format_ton

__all__ = ["audit_folder"]

Row = tuple[str, int, str]
EPOCHS_SHOWN = 4
TERMS = {
    "nav": "net worth, at any price",
    "lend_state": "lendState",
    "insurance": "+ insurance",
    "fees": "+ fees",
    "bond": "+ bond",
    "owed": "- what the operator owes",
    "lenders": "= put in by lenders, net",
    "operator": "+ put in by the operator",
    "channels": "+ won from channels",
}
WHAT = {
    "pages": "hashing the pages of the journal",
    "entries": "re-executing the entries",
    "proofs": "verifying the last proofs",
    "records": "hearing the users' records",
    "chain": "looking at the chain",
}


def audit_folder(
    folder: Annotated[Path, typer.Argument(help="A service's folder, or a demo's; or published records.", exists=True)],
    view_key: Annotated[
        Path | None, typer.Option(help="Of published records: open what is behind them, and compare.", dir_okay=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object instead of a table.")] = False,
) -> None:
    """Re-execute a journal offline: every signature, fill, fee, trigger, liquidation, proof and payout.

    Where the folder has them, users' records and the chain are compared too. Of a file of published records: the chain
    of pool, shares and notes from its beginning, every proof and range. Exit status 1 names the first lie.
    """
    if folder.is_file():
        _audit_records(folder, view_key, as_json=as_json)
        return
    auditor = Auditor()
    try:
        with _Shown() as shown:
            sealed = audit(Dossier.of(folder), auditor, shown.tell)
    except FairwayError as error:
        _refuse(error, as_json=as_json)
        raise typer.Exit(1) from None
    rows, notes = _rows(sealed, auditor), _notes(sealed, auditor)
    epochs = auditor.examiner.epochs
    if as_json:
        typer.echo(msgspec.json.encode({"verdict": "accepted", **_plain(sealed, auditor), "notes": notes}))
    else:
        _accept(rows, notes, epochs)


def _audit_records(path: Path, view_key: Path | None, *, as_json: bool) -> None:
    try:
        seen = check(decode(path.read_bytes()), read_view_key(view_key) if view_key else None)
    except FairwayError as error:
        _refuse(error, as_json=as_json)
        raise typer.Exit(1) from None
    if as_json:
        worths = [each._asdict() for each in seen.worths]
        typer.echo(msgspec.json.encode({"verdict": "accepted", **seen._asdict(), "worths": worths}))
        return
    rows: list[Row] = [
        ("records", seen.records, "pool, shares and notes chain from the beginning"),
        ("proofs of closes, lenders' moves, income", seen.proofs, "verify"),
        ("proofs of ranges", seen.epochs, f"verify, over {seen.ranged_values:,} values"),
        ("showings of the pool", seen.showings, "worth at least nothing, lots balance"),
    ]
    if view_key:
        rows.append(("groups opened", seen.opened, "what opens them is what they commit to"))
    _accept(rows, [], [])
    for each in seen.worths:
        worth, state = format_ton(each.nav), format_ton(each.lend_state)
        typer.echo(f"at record {each.record:,}: worth {worth} TON, lendState {state}, shares {each.shares:,}")


class _Shown:
    """Progress on stderr, gone when done."""

    def __init__(self) -> None:
        columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        self._progress = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("", total=None)
        self._what = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, what: str, done: int, total: int | None) -> None:
        if what != self._what:
            self._what = what
            self._progress.reset(self._task, description=WHAT[what], total=total)
        self._progress.update(self._task, completed=done)


def _refuse(error: FairwayError, *, as_json: bool) -> None:
    verdict = "rejected" if is_lie(error) else "unreadable"
    if as_json:
        facts = {name: fact.hex() if isinstance(fact, bytes) else fact for name, fact in error.facts.items()}
        typer.echo(msgspec.json.encode({"verdict": verdict, "code": error.code, "message": error.message, **facts}))
    else:
        Console().print(f"[bold red]{verdict.upper()}[/]  ", end="")
        Console(markup=False, highlight=False, soft_wrap=True).print(f"{error.message} [{error.code}]")


def _accept(rows: list[Row], notes: list[str], epochs: list[Shown]) -> None:
    table = Table(title="Audit", title_justify="left")
    table.add_column("What was looked at")
    table.add_column("How many", justify="right")
    table.add_column("Verdict", style="green")
    for what, number, verdict in rows:
        table.add_row(what, f"{number:,}", verdict)
    console = Console()
    console.print(table)
    if epochs:
        console.print(_pool(epochs))
    for note in notes:
        console.print(f"[yellow]note[/]  {note}", highlight=False, soft_wrap=True)
    console.print("[bold green]ACCEPTED[/]  nothing in it is a lie")


def _pool(epochs: list[Shown]) -> Table:
    """What the newest epochs show of the pool: net worth, and the terms of its identity."""
    newest = epochs[-EPOCHS_SHOWN:]
    table = Table(title="The pool at the end of each epoch, TON", title_justify="left")
    for heading in ("at record", *(f"{each.number:,}" for each in newest)):
        table.add_column(heading, justify="right" if table.columns else "left")
    for name, words in TERMS.items():
        table.add_row(words, *(f"{getattr(each, name) // TON:,}" for each in newest))
    return table


def _rows(sealed: Sealed, auditor: Auditor) -> list[Row]:
    tally, findings = auditor.examiner.tally, auditor.findings
    counts, chain = auditor.examiner.engine.venue.counts, findings.chain
    rows: list[Row] = [
        ("pages of the journal", sealed.pages, "as sealed" if sealed.manifest else "not sealed"),
        ("entries", tally.entries, "one chain, each re-executed"),
        ("signatures of users and oracles", tally.signatures, "valid"),
        ("fills", counts.fills, "follow from signed orders"),
        ("triggers", counts.take_profits + counts.stop_losses, "at the oracle's mark"),
        ("liquidations", counts.liquidations, "at the oracle's mark"),
        ("settlements", tally.settlements, "pool and notes chain"),
        ("moves of lenders and of income", tally.lender_moves, "at the net worth of the records"),
        ("proofs of settlements and moves", tally.proofs, "verify"),
        ("proofs of ranges", tally.epochs, f"verify, over {tally.ranged_values:,} values"),
        ("showings of the pool", len(auditor.examiner.epochs), "solvent, and all that it holds is accounted for"),
        ("payouts", tally.payouts, "what was agreed, less liens"),
        ("letters to users", findings.letters, "as re-executed"),
        ("checkpoints", findings.checkpoints, "as re-executed"),
    ]
    if findings.records:
        rows += [
            ("channels in users' records", findings.records, "compared"),
            ("halves of the service in them", findings.halves_of_service, "signed once, as re-executed"),
            ("halves of users in them", findings.halves_of_users, "as journaled"),
            ("receipts in them", findings.receipts, "signed, as re-executed"),
        ]
    if chain is not None:
        rows += [
            ("transactions on chain", chain.transactions, "exist, with these amounts"),
            ("payouts on chain", chain.payouts, "sent to the users' wallets"),
            ("TON in the vault", chain.locked // 10**9, "equals the ledger's"),
        ]
    return rows


def _notes(sealed: Sealed, auditor: Auditor) -> list[str]:
    tally, chain = auditor.examiner.tally, auditor.findings.chain
    notes = []
    if sealed.manifest is None:
        notes.append(
            "the service was interrupted: nothing seals this journal, so only what is in use of its file is covered"
        )
    if tally.unproven or tally.unranged:
        notes.append(f"{tally.unproven} settlements wait for their proof, {tally.unranged} for their epoch")
    if chain is not None and chain.unseen_ends:
        notes.append(
            f"the chain shows {chain.unseen_ends} payouts of channels after the last that the journal tells of"
        )
    if chain is not None and chain.unseen_slashings:
        notes.append(f"the bond has paid for {chain.unseen_slashings} lies that the journal does not tell of yet")
    if chain is not None and chain.unseen_nano:
        notes.append(f"{format_ton(chain.unseen_nano)} TON came into the vault that the journal does not tell of yet")
    return notes


def _plain(sealed: Sealed, auditor: Auditor) -> dict[str, Any]:
    findings, counts = auditor.findings, auditor.examiner.engine.venue.counts
    chain = findings.chain
    return {
        "sealed": sealed.manifest is not None,
        "pages": sealed.pages,
        "head": auditor.examiner.head.hex(),
        "examined": msgspec.to_builtins(auditor.examiner.tally),
        "counts": msgspec.to_builtins(counts),
        "pool": [{"nav": each.nav, **each._asdict(), "txid": each.txid.hex()} for each in auditor.examiner.epochs],
        "letters": findings.letters,
        "checkpoints": findings.checkpoints,
        "records": {
            "channels": findings.records,
            "halves_of_service": findings.halves_of_service,
            "halves_of_users": findings.halves_of_users,
            "receipts": findings.receipts,
        },
        "chain": chain._asdict() if chain is not None else None,
    }
