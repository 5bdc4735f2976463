"""A malicious service, with its true keys in hand: each lie is refused, kept as evidence, and changes nothing."""

import asyncio

import pytest
from client_stage import MARK, MARKET, WITHIN_S, Stage, User, stage
from msgspec.structs import replace

from fairway.client.judge import Judge
from fairway.client.wish import Wish
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange import wire
from fairway.exchange.change import Accepted, Dropped, Filled, Forced, Triggered
from fairway.exchange.terms import Kind

SELL, BUY = Wish(MARKET, False, 20, MARK, leverage=10), Wish(MARKET, True, 20, MARK, leverage=10)
STOP = Wish(MARKET, True, 20, MARK + 1_000, Kind.MARKET, 10, True, MARK + 600, True)


def altered(pushed, kind, **fields):
    """`pushed` with its first change of `kind` altered."""
    steps = list(pushed.changes)
    place = next(place for place, step in enumerate(steps) if isinstance(step, kind))
    steps[place] = replace(steps[place], **fields)
    return replace(pushed, changes=steps)


def added(*steps):
    return lambda pushed: replace(pushed, changes=[*pushed.changes, *steps])


OTHER = bytes(32)
FILL_LIES = {
    "channel.push": lambda pushed: replace(pushed, sent=pushed.sent + 1),
    "channel.push ": lambda pushed: replace(pushed, conditionals_hash=OTHER),
    "replica.untrue": lambda pushed: altered(pushed, Filled, price=MARK - 1),
    "replica.untrue ": lambda pushed: altered(pushed, Filled, lots=21),
    "judge.taker": lambda pushed: altered(pushed, Filled, taker=True),
    "judge.txid": lambda pushed: altered(pushed, Filled, txid=OTHER),
    "judge.unknown_order": lambda pushed: altered(pushed, Filled, key=7),
    "judge.orders": added(Accepted(9, [])),
    "judge.round": added(Forced(MARKET, 9, 1, MARK, "liquidation", 99, OTHER, 0)),
    "judge.liquidation": added(Forced(MARKET, 9, 1, MARK, "liquidation", 1, OTHER, 0)),
    "judge.forced": added(Forced(1, 9, 1, MARK, "liquidation", 1, OTHER, 0)),
    "replica.receipts": lambda pushed: replace(pushed, receipts=[]),
    "replica.cites": lambda pushed: replace(pushed, cites=1),
    "replica.seqno": lambda pushed: replace(pushed, seqno=pushed.seqno + 1),
}


async def refused(service: Stage, victim: User, tamper, provoke, *, signed: bool = True) -> InvalidMessage:
    """What the victim's session ends with when `tamper` alters the next push to him that `provoke` brings about."""

    def lie(reply):
        if not isinstance(reply, wire.Pushed) or reply.channel_id != victim.channel_id:
            return reply
        told = tamper(reply)
        return service.sign(told) if signed and told.cites != 1 else told

    before = copy_of(victim)
    service.tamper = lie
    provoking = asyncio.ensure_future(provoke)
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(InvalidMessage) as caught:
            await victim.task
    await asyncio.gather(provoking, return_exceptions=True)
    service.tamper = lambda reply: reply
    assert copy_of(victim) == before, "a lie changes nothing"
    (kept,) = victim.store.evidence(victim.channel_id)
    assert kept.code == caught.value.code
    assert isinstance(wire.decode_reply(kept.frame), wire.Pushed)
    return caught.value


def copy_of(user: User):
    account = user.account
    held = dict(account.orders), dict(account.positions)
    return account.earned, account.due, held, account.b_conditionals, account.head


@pytest.mark.parametrize("code", FILL_LIES)
async def test_a_lie_about_a_fill_is_refused_with_evidence(tmp_path, code):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await maker.session.place(SELL)
        lie = await refused(service, maker, FILL_LIES[code], taker.session.place(BUY))
        assert lie.code == code.strip()


async def test_a_forged_signature_is_refused_but_is_nobodys_lie(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await maker.session.place(SELL)
        forge = {"tamper": lambda pushed: replace(pushed, signature=bytes(64)), "signed": False}
        lie = await refused(service, maker, provoke=taker.session.place(BUY), **forge)
        assert lie.code == "signature.invalid"
        await maker.crash()
        maker.restart()
        await maker.settle()
        assert maker.account.positions[MARKET].position.lots == 20


async def test_a_second_half_under_one_seqno_is_equivocation(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await maker.session.place(SELL)
        seen = maker.session.side.replica.newest_b
        lie = await refused(service, maker, lambda pushed: replace(pushed, seqno=seen), taker.session.place(BUY))
        assert lie.code == "side.equivocation"


async def test_a_stop_that_no_signed_round_reached_does_not_fire(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await maker.session.place(SELL)
        await taker.session.place(BUY)
        await maker.settle()
        (key,) = await maker.session.place_many([STOP])
        other = maker.session.place(Wish(MARKET, False, 1, MARK + 900))
        lie = await refused(service, maker, added(Triggered(key, service.round)), other)
        assert lie.code == "judge.trigger"


async def test_nobody_cancels_what_its_owner_did_not(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        key = await user.session.place(SELL)
        lie = await refused(service, user, added(Dropped(key, "cancelled")), user.session.place(SELL))
        assert lie.code == "judge.cancel"


async def test_an_accepted_cancel_is_carried_out(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        key = await user.session.place(SELL)
        keep = {"tamper": lambda pushed: replace(pushed, changes=pushed.changes[1:])}
        lie = await refused(service, user, provoke=user.session.cancel(key), **keep)
        assert lie.code == "judge.cancel"


async def test_an_order_is_accepted_as_it_was_signed(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")

        def larger(pushed):
            (accepted,) = pushed.changes
            return altered(pushed, Accepted, orders=[replace(accepted.orders[0], limit_tick=MARK - 1)])

        lie = await refused(service, user, larger, user.session.place(SELL))
        assert lie.code == "judge.orders"


async def test_an_expired_order_is_not_filled(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        ends = service.now_ms + 60_000
        await maker.session.place(Wish(MARKET, False, 20, MARK, leverage=10, expires_ms=ends))
        late = {"tamper": lambda pushed: altered(pushed, Filled, at_ms=ends)}
        lie = await refused(service, maker, provoke=taker.session.place(BUY), **late)
        assert lie.code == "judge.expired"


async def test_a_liquidation_ends_at_the_bankruptcy_price(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await maker.session.place(SELL)
        await taker.session.place(BUY)
        await taker.settle()
        await maker.session.place(Wish(MARKET, True, 20, MARK * 93 // 100))
        worse = {"tamper": lambda pushed: altered(pushed, Forced, price=1)}
        lie = await refused(service, taker, provoke=service.price(MARK * 92 // 100), **worse)
        assert lie.code == "judge.bankruptcy"


async def test_a_round_needs_the_oracles_threshold(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        service.tamper = lambda reply: (
            replace(reply, signatures={0: reply.signatures[0]}) if isinstance(reply, wire.Round) else reply
        )
        await service.price(MARK + 1)
        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(InvalidMessage, match=r"oracle\.signers"):
                await user.task
        assert user.account.rounds[MARKET].mark == MARK


async def test_after_a_lie_only_the_exit_is_signed_even_by_a_new_process(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await maker.session.place(SELL)
        await refused(service, maker, FILL_LIES["judge.taker"], taker.session.place(BUY))
        await maker.crash()
        maker.restart()
        side = maker.session.side
        assert side.lied
        with pytest.raises(Rejected, match=r"side\.busy"):
            side.propose([SELL], now_ms=service.now_ms)
        half, theirs = side.leave()
        half.verify(side.replica.opened.key_a)
        theirs.verify(side.replica.welcome.key_b)
        assert half.half.counterparty == theirs.half.body


async def test_planted_without_the_takers_check_only_the_receipt_gives_a_wrong_fee_away(tmp_path, monkeypatch):
    monkeypatch.setattr(Judge, "_check_taker", lambda *_: None)
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await maker.session.place(SELL)
        service.tamper = lambda reply: (
            altered(reply, Filled, taker=True) if isinstance(reply, wire.Pushed) and reply.receipts else reply
        )
        provoking = asyncio.ensure_future(taker.session.place(BUY))
        with pytest.raises(InvalidMessage, match=r"signature\.invalid"):
            await maker.task
        await provoking


async def test_planted_without_the_trigger_check_a_false_trigger_goes_unseen(tmp_path, monkeypatch):
    monkeypatch.setattr(Judge, "_triggered", lambda *_: None)
    monkeypatch.setattr(Judge, "_check_live", lambda *_: None)
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await maker.session.place(SELL)
        await taker.session.place(BUY)
        await maker.settle()
        (key,) = await maker.session.place_many([STOP])
        fire = added(Triggered(key, service.round))
        service.tamper = lambda reply: (
            fire(reply) if isinstance(reply, wire.Pushed) and reply.channel_id == maker.channel_id else reply
        )
        await maker.session.countersign()
        assert maker.account.orders[key].triggered
