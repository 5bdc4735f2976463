"""A sub-key trades while its owner is away: within his mandate, by the service's halves alone, and never beyond."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fairway.client.wish import Permit, Wish
from fairway.crypto import keys
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange import account as account_module
from fairway.exchange import effect, event, mandating
from fairway.exchange import venue as venue_module
from fairway.exchange.account import Account
from fairway.exchange.change import Dropped, Mandated
from fairway.exchange.mandate import Used, cancel_digest, countdown_digest, order_digest, order_key, revoke_digest
from fairway.exchange.sweeps import NEVER_MS
from fairway.exchange.terms import Kind
from fairway.exchange.venue import owner_of
from fairway.units import TON
from tests.simulation.world import World

MARKET, MARK = 2, 50_000
SUB_SEED = keys.derive_seed(b"mandates", "bot")


class Desk:
    """The world, an owner with a mandate, and the bot that holds its sub-key and nothing else."""

    def __init__(self, **changes: int) -> None:
        self.world = World()
        self.owner, self.other = self.world.join("owner", 300 * TON), self.world.join("other", 300 * TON)
        self.world.price(MARKET, MARK)
        self.expires_ms = self.world.now_ms + 3_600_000
        given = {"reserve": 50 * TON, "max_lots": 1_000, "leverage": 10, "expires_ms": self.expires_ms} | changes
        self.world.propose(self.owner, permits=[Permit(keys.public_key(SUB_SEED), MARKET, **given)])
        (self.mandate,) = self.account.mandates
        self.number = 0

    @property
    def account(self) -> Account:
        return self.world.engine.accounts[self.owner]

    @property
    def left(self) -> int:
        return self.account.mandates[self.mandate].left

    def event(self, wish: Wish, number: int | None = None, seed: bytes = SUB_SEED, **changes: object) -> event.Mandated:
        self.number = self.number + 1 if number is None else number
        key = order_key(0, self.number)
        order = replace(wish.terms(self.account.rules, self.owner, key), expires_ms=self.expires_ms)
        order = replace(order, **changes)
        signature = keys.sign(seed, order_digest(self.mandate, order))
        return event.Mandated(
            at_ms=self.world.now_ms, channel_id=self.owner, mandate=self.mandate, order=order, signature=signature
        )

    def amend(self, key: int, wish: Wish, **changes: object) -> event.Mandated:
        """The word that puts `wish` in the stead of the order under `key`."""
        cancel = keys.sign(SUB_SEED, cancel_digest(self.owner, self.mandate, [key]))
        return replace(self.event(wish), **({"instead_of": key, "cancel": cancel} | changes))

    def count_down(self, after_ms: int, nonce: int, seed: bytes = SUB_SEED) -> event.CountdownSigned:
        signature = keys.sign(seed, countdown_digest(self.owner, self.mandate, nonce, after_ms))
        return event.CountdownSigned(
            at_ms=self.world.now_ms,
            channel_id=self.owner,
            mandate=self.mandate,
            nonce=nonce,
            after_ms=after_ms,
            signature=signature,
        )

    def order(self, wish: Wish, number: int | None = None, **changes: object) -> int:
        placed = self.event(wish, number, **changes)
        self.world.put(placed)
        return placed.order.key

    def cancel(self, *orders: int, seed: bytes = SUB_SEED) -> None:
        signature = keys.sign(seed, cancel_digest(self.owner, self.mandate, orders))
        self.world.put(
            event.Withdrawn(
                at_ms=self.world.now_ms,
                channel_id=self.owner,
                mandate=self.mandate,
                keys=list(orders),
                signature=signature,
            )
        )

    def revoke(self, seed: bytes | None = None) -> None:
        signature = keys.sign(seed or self.world.users[self.owner].seed, revoke_digest(self.owner, self.mandate))
        self.world.put(
            event.Revoked(at_ms=self.world.now_ms, channel_id=self.owner, mandate=self.mandate, signature=signature)
        )


@pytest.fixture
def desk():
    return Desk()


def buy(lots, price=MARK, kind=Kind.LIMIT, leverage=10, **more):
    return Wish(MARKET, True, lots, price, kind, leverage, **more)


def sell(lots, price=MARK, kind=Kind.LIMIT, leverage=10, **more):
    return Wish(MARKET, False, lots, price, kind, leverage, **more)


def test_a_bot_places_cancels_and_is_filled_while_its_owner_signs_nothing_and_then_he_takes_it_in(desk):
    world, channel = desk.world, desk.world.engine.channels[desk.owner]
    signed = channel.a.half
    first, second = desk.order(buy(10, MARK - 10)), desk.order(buy(20))
    desk.cancel(first)
    world.propose(desk.other, [sell(20)])
    assert channel.a.half == signed
    assert desk.account.signed_lots(MARKET) == 20
    assert not desk.account.orders
    third = desk.order(sell(5, MARK + 10))
    world.propose(desk.owner)
    assert channel.a.half.seqno == signed.seqno + 1
    assert channel.a_conditionals.root_hash() == desk.account.a_conditionals.root_hash()
    assert third in channel.a_conditionals
    assert second not in channel.a_conditionals
    desk.order(sell(20, MARK, Kind.IOC))
    world.propose(desk.other, [buy(5, MARK + 10)])
    assert desk.account.signed_lots(MARKET) == 15


def test_what_a_fill_frees_may_be_ordered_with_again_and_a_loss_may_not(desk):
    whole = desk.left
    desk.world.propose(desk.other, [sell(100), buy(100, MARK - 100)])
    desk.order(buy(100, MARK, Kind.IOC))
    spent = whole - desk.left
    assert spent > 0
    desk.order(sell(100, MARK - 100, Kind.IOC))
    assert desk.account.signed_lots(MARKET) == 0
    assert desk.left == whole - desk.account.due
    assert desk.account.due > 0


def give_away(desk: Desk, times: int) -> None:
    """A hostile bot trades with a friend, to the friend's gain."""
    for _ in range(times):
        desk.world.propose(desk.other, [sell(20), buy(20, MARK - 900)])
        desk.order(buy(20, MARK, Kind.IOC))
        desk.order(sell(20, MARK - 900, Kind.IOC))
        desk.world.propose(desk.owner)


def test_the_most_that_a_sub_key_can_lose_is_what_its_owner_signed():
    desk = Desk(reserve=3 * TON)
    before = desk.account.balance
    with pytest.raises(Rejected, match=r"mandate\.reserve"):
        give_away(desk, 200)
    assert before - 3 * TON <= desk.account.balance < before - TON


def test_planted_a_mandate_that_forgets_its_losses_is_caught(monkeypatch):
    real = Account._give_back
    monkeypatch.setattr(Account, "_give_back", lambda self, order, freed: real(self, order, 10 * freed + TON))
    desk = Desk(reserve=3 * TON)
    before = desk.account.balance
    give_away(desk, 20)
    assert desk.account.balance < before - 3 * TON


@pytest.mark.parametrize(
    ("wish", "changes", "code"),
    [
        (buy(10), {"key": 1}, "mandate.key"),
        (buy(10), {"key": order_key(1, 1)}, "mandate.key"),
        (buy(10), {"channel_id": bytes(16)}, "mandate.key"),
        (buy(10), {"market": 1}, "mandate.market"),
        (buy(10, leverage=11), {}, "mandate.leverage"),
        (buy(10), {"expires_ms": 0}, "mandate.expired"),
        (buy(10), {"expires_ms": 1 << 60}, "mandate.expired"),
        (buy(1_001), {}, "mandate.lots"),
        (buy(900, leverage=1), {}, "mandate.reserve"),
        (buy(10), {"reserve": 1}, "order.reserve"),
        (sell(10, reduce_only=True), {}, "order.reduce_only"),
        (buy(10, 2 * MARK), {}, "market.band"),
    ],
)
def test_an_order_beyond_the_mandate_is_refused_and_changes_nothing(desk, wish, changes, code):
    before = desk.world.engine.digest()
    assert desk.world.code_of(desk.event(wish, **changes)) == code
    assert desk.world.engine.digest() == before


def test_a_position_grows_no_larger_than_the_mandate_allows_however_many_orders_it_takes():
    desk = Desk(max_lots=100)
    for _ in range(10):
        desk.order(buy(10, MARK - 10))
    assert desk.world.code_of(desk.event(buy(1, MARK - 10))) == "mandate.lots"


def test_numbers_come_in_any_order_and_each_once(desk):
    for number in (5, 3, 300, 299, 45):
        desk.cancel(desk.order(buy(1, MARK - 10), number))
    for number in (5, 300, 44, 1):
        assert desk.world.code_of(desk.event(buy(1, MARK - 10), number)) == "mandate.used"
    used = Used()
    for number in (5, 3, 300, 299, 45):
        used = used.using(number)
    assert desk.account.mandates[desk.mandate].used == used


def best_bids(desk):
    book = desk.world.engine.venue.books[MARKET]
    return [(owner_of(desk.owner) == each.owner, each.lots) for each in book.walk(buy=False, limit=1)]


@pytest.mark.parametrize(
    ("wish", "bids"),
    [
        (buy(4, MARK - 10), [(True, 4), (False, 7)]),
        (buy(10, MARK - 10), [(True, 10), (False, 7)]),
        (buy(11, MARK - 10), [(False, 7), (True, 11)]),
        (buy(4, MARK - 9), [(True, 4), (False, 7)]),
    ],
)
def test_an_amended_order_keeps_its_place_where_only_its_size_falls_and_its_name_always(desk, wish, bids):
    key = desk.order(buy(10, MARK - 10), client_id="mine")
    desk.world.propose(desk.other, [buy(7, MARK - 10)])
    signed = desk.event(wish, client_id="mine")
    desk.number -= 1
    amended = replace(desk.amend(key, wish), order=signed.order, signature=signed.signature)
    desk.world.put(amended)
    assert best_bids(desk) == bids
    assert [*desk.account.orders] == [amended.order.key]
    assert desk.account.past.key_of("mine") == amended.order.key
    assert desk.left == desk.account.mandates[desk.mandate].terms.reserve - desk.account.reserved


def test_an_amend_may_use_what_the_order_before_it_had_reserved_and_is_refused_whole(desk):
    key = desk.order(buy(900, MARK - 10))
    assert desk.world.code_of(desk.event(buy(900, MARK - 20))) == "mandate.lots"
    before = desk.world.engine.digest()
    for refused, code in (
        (desk.amend(key, buy(1_001, MARK - 20)), "mandate.lots"),
        (desk.amend(key, buy(900, MARK - 20, leverage=1)), "mandate.reserve"),
        (desk.amend(key + 1, buy(900, MARK - 20)), "order.unknown"),
        (desk.amend(key, buy(900, MARK - 20), cancel=bytes(64)), "signature.invalid"),
    ):
        assert desk.world.code_of(refused) == code
    assert desk.world.engine.digest() == before
    desk.world.put(desk.amend(key, buy(900, MARK - 20)))
    desk.world.propose(desk.other, [sell(900, MARK - 20)])
    assert desk.account.signed_lots(MARKET) == 900


def test_a_sub_key_amends_no_order_of_its_owner(desk):
    desk.world.propose(desk.owner, [buy(5, MARK - 10)])
    (key,) = desk.account.orders
    assert desk.world.code_of(desk.amend(key, buy(4, MARK - 10))) == "order.unknown"


def test_planted_an_amend_that_leaves_the_old_order_in_the_book_is_caught(desk, monkeypatch):
    key = desk.order(buy(10, MARK - 10))
    monkeypatch.setattr(mandating, "drop", lambda *_: None)
    with pytest.raises(InvalidMessage, match=r"judge\.cancel"):
        desk.world.put(desk.amend(key, buy(11, MARK - 10)))


def test_a_bot_that_falls_silent_leaves_no_order_behind_and_one_that_speaks_in_time_keeps_them(desk):
    first = desk.order(buy(1, MARK - 10))
    desk.world.put(desk.count_down(5_000, 1))
    desk.world.now_ms += 4_999
    desk.world.put(desk.count_down(5_000, 2))
    due_ms = desk.world.now_ms + 5_000
    desk.world.now_ms += 3_000
    desk.world.price(MARKET, MARK)
    assert first in desk.account.orders
    desk.world.propose(desk.owner, [buy(2, MARK - 20)])
    desk.world.now_ms = due_ms
    desk.world.propose(desk.other, [sell(3, MARK - 20, Kind.IOC)])
    assert desk.account.signed_lots(MARKET) == 2
    assert first not in desk.account.orders
    later = desk.order(buy(1, MARK - 10))
    desk.world.now_ms += 60_000
    desk.world.price(MARKET, MARK)
    assert later in desk.account.orders


def test_a_countdown_is_taken_back_or_over_by_the_newest_word_of_the_sub_key_alone(desk):
    key = desk.order(buy(1, MARK - 10))
    desk.world.put(desk.count_down(1_000, 7))
    assert desk.world.code_of(desk.count_down(NEVER_MS, 7)) == "nonce.old"
    assert desk.world.code_of(desk.count_down(NEVER_MS, 8, bytes(32))) == "signature.invalid"
    desk.world.put(desk.count_down(NEVER_MS, 8))
    desk.world.now_ms += 2_000
    desk.world.price(MARKET, MARK)
    assert key in desk.account.orders
    desk.world.put(desk.count_down(0, 9))
    assert not desk.account.orders
    desk.world.put(desk.count_down(1_000, 10))
    desk.revoke()
    assert not desk.world.engine.venue.sweeps.facts()


def test_planted_a_taker_that_meets_what_should_be_gone_is_caught(desk, monkeypatch):
    desk.order(buy(1, MARK - 10))
    desk.world.put(desk.count_down(1_000, 1))
    desk.world.now_ms += 1_000
    monkeypatch.setattr(venue_module, "is_mandated", lambda key: False)
    desk.world.propose(desk.other, [sell(1, MARK - 10)])
    assert desk.account.signed_lots(MARKET) == 1


def test_a_sub_key_closes_whatever_is_held_when_the_price_comes(desk):
    desk.world.propose(desk.other, [sell(30), buy(100, MARK - 300)])
    desk.order(buy(20, MARK, Kind.IOC))
    wishes = [
        Wish(MARKET, False, lots, MARK - 500, Kind.MARKET, 1, True, MARK - 200, closes=True) for lots in (9, 1_000)
    ]
    assert desk.world.code_of(desk.event(wishes[0])) == "order.flag"
    desk.order(wishes[1])
    desk.order(buy(10, MARK, Kind.IOC))
    desk.world.propose(desk.owner)
    desk.world.price(MARKET, MARK - 200)
    assert desk.account.signed_lots(MARKET) == 0


def test_nobody_but_the_sub_key_orders_and_cancels_and_nobody_but_the_owner_revokes(desk):
    key = desk.order(buy(10, MARK - 10))
    assert desk.world.code_of(desk.event(buy(10), seed=bytes(32))) == "signature.invalid"
    with pytest.raises(InvalidMessage):
        desk.cancel(key, seed=desk.world.users[desk.owner].seed)
    with pytest.raises(InvalidMessage):
        desk.revoke(SUB_SEED)
    with pytest.raises(Rejected, match=r"order\.unknown"):
        desk.cancel(key + 1)
    assert key in desk.account.orders


def test_an_owner_cancels_what_his_bot_ordered_and_takes_the_mandate_back_whatever_the_bot_does(desk):
    first, _ = desk.order(buy(10, MARK - 10)), desk.order(buy(10, MARK - 20))
    whole = desk.account.mandates[desk.mandate].terms.reserve
    desk.world.propose(desk.owner, [], [first])
    assert list(desk.account.orders) == [order_key(0, 2)]
    desk.revoke()
    assert not desk.account.orders
    assert not desk.account.mandates
    assert desk.world.code_of(desk.event(buy(10))) == "mandate.unknown"
    desk.world.propose(desk.owner)
    assert desk.world.engine.channels[desk.owner].a_conditionals.maximum() == 0
    assert desk.account.available == 300 * TON - desk.account.rules.fine
    desk.world.propose(desk.owner, permits=[Permit(keys.public_key(SUB_SEED), MARKET, whole, 10, 1, desk.expires_ms)])
    assert list(desk.account.mandates) == [desk.mandate + 1]


def test_an_owner_and_his_bot_order_at_once_and_neither_stops_the_other(desk):
    desk.order(buy(10, MARK - 10))
    desk.world.propose(desk.owner, [buy(5, MARK - 30)])
    desk.order(buy(10, MARK - 20))
    desk.world.propose(desk.owner, [buy(5, MARK - 30)])
    assert len(desk.account.orders) == 4


def test_an_order_leaves_when_its_mandate_ends(desk):
    desk.order(buy(10))
    desk.world.now_ms = desk.expires_ms
    desk.world.price(MARKET, MARK)
    desk.world.propose(desk.other, [sell(10)])
    assert not desk.account.orders
    assert not desk.account.positions


def test_too_much_that_the_owner_has_not_signed_stops_the_bot_until_he_does(desk, monkeypatch):
    monkeypatch.setattr(mandating, "MAX_UNSIGNED", 4)
    for _ in range(3):
        desk.order(buy(1, MARK - 10))
    assert desk.world.code_of(desk.event(buy(1, MARK - 10))) == "mandate.exposure"
    desk.cancel()
    desk.world.propose(desk.owner)
    desk.order(buy(1, MARK - 10))


def test_no_more_orders_than_one_claim_can_show_go_unsigned(desk):
    for _ in range(mandating.MAX_UNSIGNED_WEIGHT):
        desk.cancel(desk.order(buy(1, MARK - 10)))
    desk.world.propose(desk.other, [sell(100)])
    for _ in range(mandating.MAX_UNSIGNED_WEIGHT - 1):
        desk.order(buy(1, MARK, Kind.IOC))
    resting = desk.order(buy(1, MARK - 10))
    assert desk.world.code_of(desk.event(buy(1, MARK - 10))) == "mandate.exposure"
    desk.cancel(resting)
    desk.order(buy(1, MARK - 10))
    desk.world.propose(desk.owner)
    assert desk.owner not in desk.world.engine.venue.unsigned_orders
    desk.order(buy(1, MARK - 10))


def test_a_mandate_takes_what_it_reserves_from_what_its_owner_may_order_with(desk):
    assert desk.account.available == 250 * TON - desk.account.rules.fine
    key, later = keys.public_key(SUB_SEED), desk.expires_ms
    for permit, code in (
        (Permit(key, MARKET, 251 * TON, 10, 1, later), "order.margin"),
        (Permit(key, MARKET, 0, 10, 1, later), "mandate.empty"),
        (Permit(key, MARKET, TON, 10, 1, desk.world.now_ms), "mandate.expired"),
        (Permit(bytes(32), MARKET, TON, 10, 1, later), "mandate.sub_key"),
        (Permit(key, 9, TON, 10, 1, later), "market.unknown"),
    ):
        with pytest.raises(Rejected, match=code):
            desk.world.propose(desk.owner, permits=[permit])


# What a service may not say


class _Liar:
    """A service that changes what it says of the next push."""

    def __init__(self, monkeypatch, lie) -> None:
        real = World._push

        def push(world, pushed):
            changes = tuple(each for change in pushed.changes for each in lie(change))
            real(world, effect.Push(pushed.channel_id, pushed.half, changes, pushed.receipts))

        monkeypatch.setattr(World, "_push", push)


@pytest.mark.parametrize(
    ("field", "value"),
    [("signature", bytes(64)), ("mandate", 77), ("at_ms", 1 << 60)],
)
def test_a_fill_stands_on_an_order_that_the_sub_key_signed_or_the_client_keeps_evidence(
    desk, monkeypatch, field, value
):
    _Liar(monkeypatch, lambda change: [replace(change, **{field: value})] if isinstance(change, Mandated) else [change])
    with pytest.raises(InvalidMessage, match=r"judge\.(word|mandate)"):
        desk.order(buy(10))


def test_an_order_beyond_the_mandate_is_evidence_even_where_the_sub_key_signed_it(desk, monkeypatch):
    monkeypatch.setattr(mandating, "check_order_under", lambda *_: None)
    with pytest.raises(InvalidMessage, match=r"judge\.mandate"):
        desk.order(buy(1_001, MARK - 10, leverage=20))


def test_a_sub_keys_cancel_reaches_no_order_of_the_owner(desk, monkeypatch):
    desk.world.propose(desk.owner, [buy(1, MARK - 10)])
    (key,) = desk.account.orders
    _Liar(monkeypatch, lambda change: [change, Dropped(key, "mandate")])
    with pytest.raises(InvalidMessage, match=r"judge\.cancel"):
        desk.order(buy(1, MARK - 10))


def test_a_mandate_is_taken_back_by_its_owners_word_alone(desk, monkeypatch):
    _Liar(monkeypatch, lambda change: [replace(change, signature=bytes(64))])
    with pytest.raises(InvalidMessage, match=r"judge\.word"):
        desk.revoke()


def test_planted_an_account_that_uses_no_number_is_caught(desk, monkeypatch):
    monkeypatch.setattr(account_module, "number_of", lambda key: (key & 0xFFFF) + 1)
    desk.cancel(desk.order(buy(1, MARK - 10), 7))
    assert desk.world.code_of(desk.event(buy(1, MARK - 10), 7)) == ""
