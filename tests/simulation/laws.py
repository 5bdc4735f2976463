"""The identities of docs/spec/exchange.md §7, kept a second time: from events and effects, with sums of their own.

What the engine checks itself is counted here anew and by another way; what no single event can show (one half per
seqno, the same state after a replay) is kept over the whole history. Nothing here reads the engine's running sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from fairway.channel.phase import TRADING, Phase
from fairway.exchange import effect, event
from fairway.exchange.account import Account
from fairway.exchange.change import Margined
from fairway.exchange.engine import Engine
from fairway.exchange.ledger import BOND, FEES, INSURANCE, LEAVING, OPERATOR, POOL, WORLD, user
from fairway.exchange.switch import Mode
from fairway.exchange.terms import CROSS
from fairway.risk.contract import Contract
from fairway.risk.liquidation import bankruptcy_price
from fairway.risk.margin import equity, initial_requirement, maintenance
from fairway.risk.position import Position
from fairway.settlement.lending import Lending
from fairway.settlement.settlement import Settlement
from fairway.vault.losses import slash_fine, slash_stake

HOUSE = (POOL, INSURANCE, FEES, BOND, OPERATOR)


class Broken(AssertionError):
    """An identity does not hold; the text begins with its name."""


def standing(account: Account, market: int, need: Callable[[Contract, Position, int], int]) -> Position:
    """What is held, with the margin that stands for it: its own, or what the pot and all others leave beside `need`."""
    held = account.positions[market]
    if held.terms is not None:
        return held.position
    left = account.pot.margin
    for other, each in account.positions.items():
        if other != market and each.terms is None:
            contract, newest = account.rules.listing(other).contract, account.rounds[other]
            left += equity(contract, each.position, newest.mark, newest.funding)
            left -= need(contract, each.position, newest.mark)
    return replace(held.position, margin=left)


def _promised(account: Account) -> int:
    """What a pot may cost, and what it may win."""
    return account.pot.margin + account.pot.cap if account.pot is not None else 0


def _moves_pot(pushed: effect.Push) -> bool:
    return any(isinstance(change, Margined) and change.market == CROSS for change in pushed.changes)


def hold(name: str, *, that: bool, says: object) -> None:
    """Raise unless `that`."""
    if not that:
        raise Broken(f"{name}: {says}")


@dataclass
class Laws:
    """What was seen so far. `after` looks at every event once it is applied and before anyone is told of it."""

    engine: Engine
    seeded: int = 0
    bonded: int = 0
    at_stake: int = 0
    fined: int = 0
    lent: int = 0
    modes: dict[int | None, int] = field(default_factory=dict)
    deposits: dict[bytes, int] = field(default_factory=dict)
    paid: int = 0
    recovered: int = 0
    taken_out: dict[bytes, int] = field(default_factory=dict)
    halves: dict[tuple[bytes, str, int], bytes] = field(default_factory=dict)
    pushed: dict[tuple[bytes, int], tuple[object, ...]] = field(default_factory=dict)
    pool: bytes = b""
    promised: dict[bytes, int] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    exposed: frozenset[bytes] = frozenset()
    count: Counter[str] = field(default_factory=Counter)

    def after(self, happened: event.AnyEvent, effects: list[effect.AnyEffect]) -> None:
        """Check everything that `happened` could have broken."""
        self.learn(happened, effects)
        self.money(happened)
        self.positions()
        self.nobody_sinks(happened)
        self.closes_at_the_newest(effects)
        self.what_is_needed_stays(effects)
        self.coverage()
        self.pots(effects)
        self.nobody_else_pays(happened)
        self.stand()

    def learn(self, happened: event.AnyEvent, effects: list[effect.AnyEffect]) -> None:
        """Only what is kept over the whole history: for an event that was looked at before."""
        self._note(happened, effects)
        self._tally(happened)
        self.one_half_per_seqno(happened, effects)
        self.pool_follows_its_settlements(effects)

    def stand(self) -> None:
        """Remember what the next event is compared with."""
        self.promised = {name: _promised(account) for name, account in self.engine.accounts.items()}
        self.before = dict(self.engine.venue.ledger.balances)
        self.exposed = frozenset(
            name for name, account in self.engine.accounts.items() if account.orders or account.positions
        )

    def _note(self, happened: event.AnyEvent, effects: list[effect.AnyEffect]) -> None:
        """Count what tells whether the history was worth its name."""
        self.count[type(happened).__name__] += 1
        for wanted in effects:
            self.count[type(wanted).__name__] += 1
            if isinstance(wanted, effect.Refuse):
                self.count[f"refused {wanted.code}"] += 1
            elif isinstance(wanted, effect.Print):
                self.count[f"printed {wanted.reason}"] += 1
            elif isinstance(wanted, effect.ProveRecord) and isinstance(wanted.record, Settlement):
                self.count[f"settled {wanted.record.kind.name.lower()}"] += 1
            elif isinstance(wanted, effect.Push):
                reasons = [getattr(change, "reason", type(change).__name__) for change in wanted.changes]
                self.count.update(f"pushed {reason}" for reason in reasons)

    def _tally(self, happened: event.AnyEvent) -> None:
        """Add to the sums of what came in and went out."""
        match happened:
            case event.Founded():
                self.seeded = happened.pool_seed + happened.insurance_seed
            case event.BondPosted():
                self.bonded += happened.amount
                self.at_stake += happened.amount
            case event.Switched():
                self.modes[happened.market] = happened.mode
            case event.Lent():
                self.lent += happened.amount
            case event.Left():
                self.lent -= happened.paid
            case event.Slashed():
                stake = slash_stake(self.at_stake, self.engine.rules.fine)
                self.at_stake -= stake
                self.fined += slash_fine(stake)
            case event.Funded():
                self.deposits[happened.channel_id] = happened.deposit_a
            case event.Closed():
                self.paid += happened.paid
                before = self.taken_out.pop(happened.channel_id, 0)
                self.recovered += self.engine.accounts[happened.channel_id].withdrawn - before - happened.paid
            case event.PaidOut():
                self.paid += happened.paid
                self.recovered += happened.value_a - happened.paid
                self.taken_out[happened.channel_id] = self.taken_out.get(happened.channel_id, 0) + happened.value_a
            case _:
                pass

    def money(self, happened: event.AnyEvent) -> None:
        """I1 and the sums of I10: what came in and was not paid out is somebody's, and each user's is his channel's."""
        balances = self.engine.venue.ledger.balances
        users = {name: balances.get(user(name), 0) for name in self.engine.accounts}
        inside = sum(balances[name] for name in (*HOUSE, LEAVING)) + sum(users.values())
        under_way = sum(
            account.withdrawn - self.taken_out.get(name, 0)
            for name, account in self.engine.accounts.items()
            if self.engine.channels[name].phase is not Phase.CLOSED
        )
        hold("I1", that=balances[LEAVING] == under_way, says=f"{balances[LEAVING]} leave, {under_way} were signed")
        came = self.seeded + self.bonded + self.lent + sum(self.deposits.values()) - self.paid - self.fined
        hold("I1", that=inside == came == -balances[WORLD], says=(inside, came, balances[WORLD], happened))
        for name, account in self.engine.accounts.items():
            own = self.deposits.get(name, 0) - account.withdrawn + account.earned - account.due
            hold("I1", that=users[name] == own, says=f"{name.hex()} has {users[name]}, his channel says {own}")
        won = sum(account.due - account.earned for account in self.engine.accounts.values())
        house = (
            sum(balances[name] for name in HOUSE) - self.seeded - self.bonded - self.lent + self.fined - self.recovered
        )
        hold("I10", that=house == won, says=f"the house has {house}, its side of the channels won {won}")
        hold("I10", that=balances[INSURANCE] >= 0, says="insurance is negative")

    def positions(self) -> None:
        """I2: the signed lots of each market cancel."""
        for market in self.engine.venue.rules.listings:
            lots = [account.signed_lots(market) for account in self.engine.accounts.values()]
            hold("I2", that=sum(lots) == 0, says=f"market {market}: {lots}")

    def one_half_per_seqno(self, happened: event.AnyEvent, effects: list[effect.AnyEffect]) -> None:
        """I4, and what I3 is later compared with: the bytes that are about to be signed."""
        if isinstance(happened, event.Proposed | event.Opened):
            half = self.engine.channels[happened.channel_id].a
            if half is not None:
                self._one(happened.channel_id, "a", half.half.seqno, half.half.digest())
        for wanted in effects:
            if isinstance(wanted, effect.Push | effect.SignHalf):
                self._one(wanted.channel_id, "b", wanted.half.seqno, wanted.half.digest())
                self.pushed[wanted.channel_id, wanted.half.seqno] = letter(wanted)

    def _one(self, channel_id: bytes, side: str, seqno: int, digest: bytes) -> None:
        known = self.halves.setdefault((channel_id, side, seqno), digest)
        hold("I4", that=known == digest, says=f"two halves {seqno} of side {side} of {channel_id.hex()}")

    def nobody_sinks(self, happened: event.AnyEvent) -> None:
        """I6: no account below zero; after a round, who is below maintenance is closed or waits for a better price."""
        for name, account in self.engine.accounts.items():
            hold("I6", that=account.balance >= 0, says=f"{name.hex()} has {account.balance}")
        if not isinstance(happened, event.Priced) or Mode.HALTED in {
            self.modes.get(happened.market),
            self.modes.get(None),
        }:
            return
        market, venue = happened.market, self.engine.venue
        contract = venue.rules.listing(market).contract
        holders = {name: account for name, account in self.engine.accounts.items() if market in account.positions}
        held = {name: standing(account, market, maintenance) for name, account in holders.items()}
        alone = {name: standing(account, market, lambda *_: 0) for name, account in holders.items()}
        bounds = {name: bankruptcy_price(contract, each, happened.funding) for name, each in alone.items()}
        for name, each in held.items():
            if self._waits_for_others(holders[name], happened):
                self.count["pot waits for its markets"] += 1
                continue
            need = maintenance(contract, each, happened.mark)
            if equity(contract, each, happened.mark, happened.funding) >= need:
                continue
            self.count["waits in distress"] += 1
            bound = bounds[name]
            is_solvent = bound is None or (happened.mark - bound) * each.s > 0
            bears = [
                other
                for other, their in held.items()
                if their.s == -each.s and (bounds[other] is None or (bound - bounds[other]) * their.s >= 0)
            ]
            hold(
                "I6",
                that=is_solvent or not bears,
                says=f"{name.hex()} is bankrupt in market {market} and stands: {held} {bounds} {happened.mark}",
            )

    def _waits_for_others(self, account: Account, happened: event.Priced) -> bool:
        """Whether the account's pot holds something in a market that is halted or whose oracle is silent."""
        venue, at_ms = self.engine.venue, happened.at_ms
        shared = [market for market, held in account.positions.items() if held.terms is None]
        return any(venue.mode(each, at_ms) is Mode.HALTED or venue.is_stale(each, at_ms) for each in shared)

    def pots(self, effects: list[effect.AnyEffect]) -> None:
        """Of a pot nothing is promised beyond what its owner moved: what is won only shifts, what is lost is gone."""
        moved = {wanted.channel_id for wanted in effects if isinstance(wanted, effect.Push) and _moves_pot(wanted)}
        for name, account in self.engine.accounts.items():
            if name not in moved:
                was, now = self.promised.get(name, 0), _promised(account)
                hold("I11", that=now <= was, says=f"the pot of {name.hex()} grew by itself")

    def closes_at_the_newest(self, effects: list[effect.AnyEffect]) -> None:
        """I7: what we sign to be paid out is what the newest halves say, and nothing is open."""
        for wanted in effects:
            if isinstance(wanted, effect.SignClose):
                channel, account = self.engine.channels[wanted.channel_id], self.engine.accounts[wanted.channel_id]
                assert channel.a is not None
                assert channel.b is not None
                newest = channel.a.half.seqno, channel.b.half.seqno, account.due, account.earned
                shown = wanted.seqno_a, wanted.seqno_b, wanted.sent_a, wanted.sent_b
                is_flat = not account.orders and not account.positions
                hold("I7", that=shown == newest and is_flat, says=f"signed {shown}, newest {newest}")

    def what_is_needed_stays(self, effects: list[effect.AnyEffect]) -> None:
        """I11: what is withdrawn leaves what is promised, and what each position needs to be opened at the mark."""
        signed = {wanted.channel_id for wanted in effects if isinstance(wanted, effect.SignCommit)}
        pushed = {wanted.channel_id for wanted in effects if isinstance(wanted, effect.Push)}
        for name in signed & pushed:
            account, short = self.engine.accounts[name], 0
            for market, held in account.positions.items():
                contract, newest = account.rules.listing(market).contract, account.rounds[market]
                at = held.position
                required = initial_requirement(contract, at.lots, newest.mark, contract.max_leverage)
                has = min(at.margin, equity(contract, at, newest.mark, newest.funding))
                short += 0 if held.is_cross else max(0, required - has)
                modes = {self.modes.get(market), self.modes.get(None)}
                hold("I11", that=Mode.HALTED not in modes, says=f"{name.hex()} withdraws in a halted market {market}")
            hold("I11", that=account.available >= short, says=f"{name.hex()} has {account.available}, needs {short}")
            self.count["withdrawn with something open"] += bool(account.positions)

    def pool_follows_its_settlements(self, effects: list[effect.AnyEffect]) -> None:
        """I10: each settlement starts from the pool that the one before left, and the last one left the ledger's."""
        for wanted in effects:
            match wanted:
                case effect.ProveRecord(record=Settlement() as settlement):
                    before = settlement.witness()["LS0"].commitment
                    hold("I10", that=self.pool in {b"", before}, says=f"record {wanted.number} follows another")
                    self.pool = settlement.pool_after.commitment
                case effect.ProveRecord(record=Lending() as move):
                    self.pool = move.pool_after.lend_state.commitment
                case _:
                    pass
        pool = self.engine.venue.settling.pool
        hold("I10", that=self.pool in {b"", pool.commitment}, says="the pool is not what the settlements left")
        ours = self.engine.venue.ledger.balances[POOL]
        hold("I10", that=pool.value == ours, says=f"proven {pool.value}, in the ledger {ours}")

    def coverage(self) -> None:
        """I11: in every pair of halves that may still meet, both sides have what they promise."""
        fine = self.engine.rules.fine
        for name, channel in self.engine.channels.items():
            if channel.phase not in TRADING or channel.a is None:
                continue
            for seqno, wanted in channel.window.items():
                promised = wanted.sent + sum(each.maximum for _, each in wanted.conditionals.items())
                received = wanted.b.sent if wanted.b else 0
                left = self.deposits.get(name, 0) + received - promised - (fine if promised else 0)
                hold("I11", that=left >= 0, says=f"A of {name.hex()} lacks {-left} at half {seqno}")
                left -= channel.withdraw_a
                hold("I11", that=left >= 0, says=f"A of {name.hex()} lacks {-left} once he has withdrawn")
                room = channel.deposit_b + channel.a.half.sent - wanted.promised_b
                hold("I11", that=room >= 0, says=f"B of {name.hex()} lacks {-room} at half {seqno}")

    def nobody_else_pays(self, happened: event.AnyEvent) -> None:
        """I12, as far as the engine goes: who had no order and no position neither pays nor is paid for another."""
        own = getattr(happened, "channel_id", None)
        for name in self.engine.accounts:
            if name != own and name not in self.exposed:
                was, now = (kept.get(user(name), 0) for kept in (self.before, self.engine.venue.ledger.balances))
                hold("I12", that=was == now, says=f"{name.hex()} had nothing open: {was} became {now}")

    # Over the whole history

    def replayed(self, journal: list[bytes]) -> Engine:
        """An engine that has read the journal; I3 and I5: it says what ours said, and stands where ours stands."""
        engine, letters = Engine(), {}
        for payload in journal:
            for wanted in engine.apply(event.decode(payload)):
                if isinstance(wanted, effect.Push | effect.SignHalf):
                    letters[wanted.channel_id, wanted.half.seqno] = letter(wanted)
        for place, kept in self.pushed.items():
            hold("I3", that=letters.get(place) == kept, says=f"half {place[1]} of {place[0].hex()} is another")
        hold("I5", that=engine.book_digest() == self.engine.book_digest(), says="the rebuilt books differ")
        hold("I5", that=engine.digest() == self.engine.digest(), says="the rebuilt state differs")
        self.engine = engine
        return engine


def letter(wanted: effect.Push | effect.SignHalf) -> tuple[object, ...]:
    """All of a push that is signed."""
    if isinstance(wanted, effect.SignHalf):
        return (wanted.half.digest(),)
    return (wanted.half.digest(), wanted.changes, *(receipt.digest() for receipt in wanted.receipts))
