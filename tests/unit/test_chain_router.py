"""The router under the chain: bounces, weather, order of delivery, and a past that can be returned to."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.chain.router import FAUCET, GENESIS, Router, Weather
from fairway.crypto.keys import public_key, sign
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.ton.cells import to_boc
from fairway.ton.messages import internal_message
from fairway.ton.wallet import Transfer, Wallet

SEED = b"r" * 32
WALLET = Wallet(public_key(SEED), -239)
ONE, TWO = "0:" + "11" * 32, "0:" + "22" * 32
TON = 10**9


def funded(**options: object) -> Router:
    router = Router(**options)
    router.inject(FAUCET, WALLET.address, 100 * TON, bounce=False)
    return router


def order(router: Router, seqno: int, *transfers: Transfer) -> bytes:
    request = WALLET.request(seqno, router.now + 3600, transfers)
    return WALLET.message(request, sign(SEED, request.hash), deploy=seqno == 0)


def test_money_sent_to_nobody_bounces_and_money_is_conserved():
    router = funded()
    sent, arrived, returned = router.submit(order(router, 0, Transfer(ONE, TON)))
    assert (sent.aborted, arrived.aborted, returned.incoming.bounced) == (False, True, True)
    fees = sum(transaction.fees for transaction in (sent, arrived, returned))
    forwarding = 100 * TON - fees - router.account(WALLET.address).balance
    assert router.account(ONE).balance == 0
    assert 0 <= forwarding < TON // 1000


def test_an_internal_message_cannot_be_submitted_from_outside():
    forged = internal_message(WALLET.address, ONE, TON, bounce=False)
    with pytest.raises(InvalidMessage):
        Router().submit(to_boc(forged))


def test_a_refused_message_changes_nothing_at_all():
    router = funded()
    before = router.snapshot()
    with pytest.raises(Rejected):
        router.submit(order(router, 1, Transfer(ONE, TON)))
    assert router.snapshot() == before


def test_a_restored_chain_has_forgotten_what_came_after():
    router = funded()
    past = router.snapshot()
    message = order(router, 0, Transfer(ONE, TON, bounce=False))
    first = router.submit(message)
    router.restore(past)
    assert router.account(ONE).balance == 0
    assert router.submit(message) == first


def test_lost_messages_never_happened_and_can_be_sent_again():
    router = funded(weather=Weather(lost_ppm=1_000_000))
    message = order(router, 0, Transfer(ONE, TON, bounce=False))
    assert router.submit(message) == ()
    router.weather = Weather()
    assert len(router.submit(message)) == 2


def test_delayed_messages_arrive_when_their_time_comes_and_in_order_of_each_pair():
    router = funded(weather=Weather(seed=7, delay_s=600))
    transfers = [Transfer(to, nano, bounce=False) for nano in range(1, 21) for to in (ONE, TWO)]
    delivered = list(router.submit(order(router, 0, *transfers))[1:])
    assert len(delivered) < 40
    for _ in range(600):
        delivered += router.advance(1)
    assert [arrived.incoming.value for arrived in delivered if arrived.address == ONE] == list(range(1, 21))
    assert [arrived.incoming.value for arrived in delivered if arrived.address == TWO] == list(range(1, 21))
    order_of_arrival = [arrived.address for arrived in delivered]
    assert order_of_arrival != [ONE, TWO] * 20


def test_the_same_seed_gives_the_same_weather():
    days = []
    for _ in range(2):
        router = funded(weather=Weather(seed=3, delay_s=60))
        router.submit(order(router, 0, Transfer(ONE, TON, bounce=False), Transfer(TWO, TON, bounce=False)))
        router.advance(60)
        days.append(router.snapshot())
    assert days[0] == days[1]


def test_what_a_contract_sees_is_the_chains_clock():
    router = funded()
    stale = order(router, 0, Transfer(ONE, TON))
    router.advance(3601)
    assert router.now == GENESIS + 3601
    with pytest.raises(Rejected) as refused:
        router.submit(stale)
    assert refused.value.facts["exit_code"] == 136


def test_a_chains_file_belongs_to_one_process_and_damage_is_said(tmp_path: Path):
    router = Router(tmp_path / "chain.sqlite")
    with pytest.raises(Unavailable, match=r"chain\.database"):
        Router(tmp_path / "chain.sqlite")
    router.close()
    (tmp_path / "chain.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(Unavailable, match=r"chain\.database"):
        Router(tmp_path / "chain.sqlite")
