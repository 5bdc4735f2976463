"""What is shown to conditions: signed rounds, receipts and Merkle proofs of promises."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence

from channel_stage import CHANNEL, SEED_B, TON
from pytoniq_core import HashMap
from tonpy import Cell as TonpyCell
from tonpy import CellSlice
from tonpy.tvm import TVM

from fairway.channel.conditional import Conditional
from fairway.channel.conditionals import Conditionals
from fairway.crypto.keys import public_key, sign
from fairway.exchange.mandate import Mandate, MandateTerms, Used, mandate_conditional, mandated_cell, order_digest
from fairway.exchange.terms import MarketTerms, OracleRound, OrderTerms, Receipt
from fairway.ton.cells import Builder, Cell, to_boc, to_cell
from fairway.ton.contracts import condition_code, oracle_set

NETWORK, MARKET, DELAY_MS = -3, 7, 60_000
ORACLES = [bytes([index]) * 32 for index in (1, 2, 3)]
ORACLE = oracle_set(NETWORK, 2, DELAY_MS, [public_key(seed) for seed in ORACLES])
MARKET_CODE, ORDER_CODE = condition_code("market", ORACLE), condition_code("order", ORACLE)
KEY = (1 << 31) | MARKET
CONDITION_GAS = 900_000
ORDER_KEY = 5
SUB_KEY = bytes([77]) * 32
NOTHING = Used()


def signed_round(
    number: int,
    at_ms: int,
    mark: int,
    funding: int = 0,
    signers: Sequence[int] = (0, 2),
    index: int = 0,
    market: int = MARKET,
) -> Cell:
    made = to_cell(OracleRound(NETWORK, market, number, at_ms, index or mark, mark, funding).cell())
    signatures = HashMap(8, value_serializer=lambda value, leaf: leaf.store_ref(value))
    for place in signers:
        signatures.set_int_key(place, Builder().store_bytes(sign(ORACLES[place], made.hash)).end_cell())
    return Builder().store_ref(made).store_dict(signatures.serialize()).end_cell()


def rounds(moment_ms: int, mark: int, funding: int = 0, market: int = MARKET) -> Cell:
    """The last round before `moment_ms` and the first after it, at which `mark` holds."""
    before = signed_round(40, moment_ms - 1, 1, market=market)
    after = signed_round(41, moment_ms, mark, funding, market=market)
    return Builder().store_ref(before).store_ref(after).end_cell()


def fill_input(
    receipt: Receipt,
    order: OrderTerms | None = None,
    fired: Cell | None = None,
    peak: Cell | None = None,
    seed: bytes = SEED_B,
    mandated: tuple[int, bytes] | None = None,
) -> Cell:
    cell = to_cell(receipt.cell())
    signed = Builder().store_bytes(sign(seed, cell.hash)).store_ref(cell).end_cell()
    placed = to_cell(mandated_cell(mandated[0], order) if mandated else order.cell()) if order else None
    shown = Builder().store_ref(signed).store_maybe_ref(placed).store_maybe_ref(fired).store_maybe_ref(peak)
    if mandated is None:
        return shown.store_bit(0).end_cell()
    return shown.store_bit(1).store_bytes(mandated[1]).end_cell()


def market_input(
    exit_rounds: Cell | None = None, touch: Cell | None = None, fills: Mapping[int, Cell] | None = None
) -> Cell:
    shown = HashMap(32, value_serializer=lambda value, leaf: leaf.store_ref(value))
    for key, fill in (fills or {}).items():
        shown.set_int_key(key, fill)
    return Builder().store_maybe_ref(exit_rounds).store_maybe_ref(touch).store_dict(shown.serialize()).end_cell()


def inputs(shown: Mapping[int, Cell]) -> Cell:
    table = HashMap(32, value_serializer=lambda value, leaf: leaf.store_cell(value))
    for key, value in shown.items():
        table.set_int_key(key, value)
    return table.serialize()


def proof(conditionals: Conditionals) -> Cell:
    """A Merkle proof (exotic, type 3) that leaves nothing out."""
    root = conditionals.root_cell()
    return _merkle(root, root)


def pruned_proof(conditionals: Conditionals, keep: int) -> Cell:
    """A Merkle proof with only branch `keep` (0 or 1) of the root."""
    root = conditionals.root_cell()
    branches = [branch if index == keep else _pruned(branch) for index, branch in enumerate(root.refs)]
    return _merkle(root, Cell(root.bits, branches))


def _merkle(root: Cell, shown: Cell) -> Cell:
    head = Builder().store_uint(3, 8).store_bytes(root.hash).store_uint(root.get_depth(), 16)
    return Cell(head.end_cell().bits, [shown], 3)


def _pruned(cell: Cell) -> Cell:
    head = Builder().store_uint(0x0101, 16).store_bytes(cell.hash).store_uint(cell.get_depth(), 16)
    return Cell(head.end_cell().bits, [], 1)


def judged(
    promise: Conditional,
    others: Conditionals,
    shown: Cell,
    *,
    by_a: bool,
    started_s: int,
    seqno: int = 9,
    is_late: bool = False,
) -> tuple[int, int]:
    """A condition run by itself on the machine, as the channel runs it: its exit code, and what it owes."""
    leaf = Builder().store_uint(0x88708AD9, 32).store_ref(to_cell(promise.terms)).store_ref(to_cell(promise.code))
    machine = TVM(code=_tonpy(leaf.end_cell()), data=_tonpy(Cell.empty()))
    machine.set_gas_limit(CONDITION_GAS, CONDITION_GAS)
    root, key = others.root_cell(), int.from_bytes(public_key(SEED_B))
    stack = [None if root is None else _tonpy(root), seqno, -is_late, started_s, -by_a, 0, key]
    machine.set_stack([*stack, CellSlice(b64encode(to_boc(shown)).decode())])
    left = machine.run(allow_non_success=True, unpack_stack=True)
    return (0, left[-1]) if machine.exit_code in {0, 1} else (machine.exit_code, 0)


def _tonpy(cell: Cell) -> TonpyCell:
    return TonpyCell(b64encode(to_boc(cell)).decode())


def position(*, long: bool = True, inverse: bool = False, **changes: int) -> MarketTerms:
    fields = {"lots": 10, "unit": 1000, "cost": 10 * 1000 * 50_000, "funding_base": 0, "margin": TON, "ratio": 5}
    fields |= {"liquidation_tick": 1, "since_ms": 0, "mark": 0, "funding": 0} | changes
    return MarketTerms(CHANNEL.to_bytes(16), MARKET, inverse, long, **fields)


def flat(**changes: int) -> MarketTerms:
    return position(lots=0, cost=0, margin=0, liquidation_tick=0, **changes)


def order(*, buy: bool = True, inverse: bool = False, trigger_above: bool = False, **changes: int) -> OrderTerms:
    fields = {"lots": 10, "limit_tick": 50_000, "unit": 1000, "reserve": TON, "fee_ppm": 500, "expires_ms": 1 << 60}
    fields |= {"key": ORDER_KEY, "kind": 0, "trigger_tick": 0, "leverage": 10} | changes
    return OrderTerms(
        channel_id=CHANNEL.to_bytes(16),
        market=MARKET,
        inverse=inverse,
        buy=buy,
        reduce_only=False,
        trigger_above=trigger_above,
        **fields,
    )


def mandate(**changes: int | bytes) -> MandateTerms:
    """A mandate for the sub-key, in slot 3 under key 9, wide enough for any order."""
    fields = {"key": 9, "slot": 3, "sub_key": public_key(SUB_KEY), "reserve": TON, "max_lots": 1 << 40}
    fields |= {"fee_ppm": 1000, "leverage": 100, "expires_ms": 1 << 60, "market": MARKET} | changes
    return MandateTerms(channel_id=CHANNEL.to_bytes(16), **fields)


def permit(given: MandateTerms, left: int | None = None, used: Used = NOTHING) -> Conditional:
    """The mandate as A's half carries it."""
    return mandate_conditional(Mandate(given, given.reserve if left is None else left, used), ORDER_CODE)


def word(given: MandateTerms, placed: OrderTerms, seed: bytes = SUB_KEY) -> tuple[int, bytes]:
    """The sub-key's signature of the order."""
    return given.key, sign(seed, order_digest(given.key, placed))


def receipt(placed: OrderTerms, lots: int, cost: int, fee: int, at_ms: int, base: int = 0, b_seqno: int = 9) -> Receipt:
    return Receipt(CHANNEL.to_bytes(16), placed.digest(), 1, bytes(32), lots, cost, fee, base, b_seqno, at_ms, 50_000)
