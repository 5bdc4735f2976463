"""Whether a chain and a venue on it are what they should be, looked at point by point before money depends on it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from fairway.chain.codes import shown_code
from fairway.chain.opening import OpenChain
from fairway.errors import FairwayError, Rejected
from fairway.exchange.event import Founded
from fairway.exchange.site import channel_setup
from fairway.ton.cells import cell_hash, from_boc
from fairway.ton.contracts import contract_code
from fairway.ton.vault_views import read_books
from fairway.units import TON, format_ton

__all__ = ["TESTED_VERSION", "Finding", "Patient", "examine"]

Verdict = Literal["ok", "warning", "failed"]

TESTED_VERSION = 12
"""The global version of the configuration that the contracts are tested under."""
SKEW_S = 60
LEAST = TON
"""Nano in the operator's wallet, below which it soon cannot pay for a challenge."""
PROBE = (1).to_bytes(32), (2).to_bytes(32)
"""Two keys of nobody: vault and service must name the same channel for them."""


class Finding(msgspec.Struct, frozen=True):
    """One point, what was found, and what that means."""

    point: str
    verdict: Verdict
    found: str


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined: a chain, and if there is one a venue's founding and the operator's wallet."""

    chain: OpenChain
    live: bool
    founded: Founded | None = None
    operator: str | None = None
    clock: Callable[[], float] = time.time


async def examine(patient: Patient) -> AsyncIterator[Finding]:
    """Every point in turn; nothing further where the chain cannot be reached or is another one."""
    for point, look in _FIRST:
        finding = await _looked(point, look, patient)
        yield finding
        if finding.verdict == "failed":
            return
    rest = [
        *_CHAIN,
        *(_VENUE if patient.founded is not None else ()),
        *(_OPERATOR if patient.operator is not None else ()),
    ]
    for point, look in rest:
        yield await _looked(point, look, patient)


_Look = Callable[[Patient], Awaitable[tuple[Verdict, str]]]


async def _looked(point: str, look: _Look, patient: Patient) -> Finding:
    try:
        verdict, found = await look(patient)
    except FairwayError as error:
        return Finding(point, "failed", str(error))
    return Finding(point, verdict, found)


# The chain


async def _reach(patient: Patient) -> tuple[Verdict, str]:
    await patient.chain.ready()
    began = time.monotonic()
    await patient.chain.now()
    return "ok", f"answers in {int((time.monotonic() - began) * 1000)} ms"


async def _network(patient: Patient) -> tuple[Verdict, str]:
    """An embedded chain takes whatever network its venue says: its contracts are told, they do not look."""
    shown = (await patient.chain.network()).global_id
    if not patient.live:
        return "ok", f"embedded, under a configuration of network {shown}"
    if patient.founded is not None and patient.founded.network != shown:
        return "failed", f"network {shown}; the venue is on {patient.founded.network}"
    return "ok", f"network {shown}"


async def _version(patient: Patient) -> tuple[Verdict, str]:
    version = (await patient.chain.network()).version
    if version < TESTED_VERSION:
        return "failed", f"global version {version}; the contracts are tested under {TESTED_VERSION}"
    if version > TESTED_VERSION:
        return (
            "warning",
            f"global version {version}, newer than the {TESTED_VERSION} that the contracts are tested under",
        )
    return "ok", f"global version {version}"


async def _skew(patient: Patient) -> tuple[Verdict, str]:
    ahead_s = int(patient.clock()) - await patient.chain.now()
    found = f"this machine is {abs(ahead_s)} s {'ahead of' if ahead_s >= 0 else 'behind'} the newest block"
    if abs(ahead_s) <= SKEW_S:
        return "ok", found
    return ("failed", found) if patient.live else ("warning", f"{found}: serve with --clock chain")


# The venue


def _rules(patient: Patient) -> Founded:
    assert patient.founded is not None
    return patient.founded


async def _vault(patient: Patient) -> tuple[Verdict, str]:
    return _compared(await shown_code(patient.chain, _rules(patient).vault), cell_hash(contract_code("vault")))


async def _jetton_wallet(patient: Patient) -> tuple[Verdict, str]:
    *_, code = await patient.chain.run_get(_rules(patient).vault, "get_jetton_data")
    shown = cell_hash(from_boc(code)) if isinstance(code, bytes) else None
    return _compared(shown, cell_hash(contract_code("jetton_wallet")))


async def _channel(patient: Patient) -> tuple[Verdict, str]:
    """The address of a channel hangs on its code, rent, fine and times: equal addresses mean that all are equal."""
    rules = _rules(patient)
    key_a, key_b = PROBE
    arguments = int.from_bytes(key_a), int.from_bytes(key_b), 0
    number, shown = await patient.chain.run_get(rules.vault, "get_channel", arguments)
    if not isinstance(number, int) or not isinstance(shown, int):
        raise Rejected("doctor.getter", "the vault's getter is not as specified")
    expected = cell_hash(channel_setup(rules, number.to_bytes(16), key_a, key_b).init)
    if shown.to_bytes(32) == expected:
        return "ok", "code, rent, fine and times are those of venue.toml"
    return "failed", "the vault makes other channels than venue.toml and the compiled code do"


async def _books(patient: Patient) -> tuple[Verdict, str]:
    rules = _rules(patient)
    books = read_books(await patient.chain.run_get(rules.vault, "get_books"))
    balance = (await patient.chain.get_account(rules.vault)).balance
    found = f"{format_ton(balance)} TON; its books: {format_ton(books.locked)}, bond {format_ton(books.bond)}"
    return ("ok" if balance >= books.locked else "failed"), found


async def _operator(patient: Patient) -> tuple[Verdict, str]:
    assert patient.operator is not None
    balance = (await patient.chain.get_account(patient.operator)).balance
    return ("ok" if balance >= LEAST else "warning"), f"{format_ton(balance)} TON at {patient.operator}"


def _compared(shown: bytes | None, expected: bytes) -> tuple[Verdict, str]:
    if shown is None:
        return "failed", "no contract is there"
    if shown != expected:
        return "failed", f"code {shown.hex()[:16]}…; compiled is {expected.hex()[:16]}…"
    return "ok", f"code {shown.hex()[:16]}… as compiled"


_Points = tuple[tuple[str, _Look], ...]
_FIRST: _Points = (("reachable", _reach), ("network", _network))
_CHAIN: _Points = (("version", _version), ("clock", _skew))
_OPERATOR: _Points = (("operator's wallet", _operator),)
_VENUE: _Points = (
    ("vault's code", _vault),
    ("jetton wallet's code", _jetton_wallet),
    ("channels", _channel),
    ("vault's balance", _books),
)
