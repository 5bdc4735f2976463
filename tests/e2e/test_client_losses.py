"""An operator shows the vault an old losing pair; the user's client or his tower answers before the loss moves."""

import asyncio

from client_stage import MARK, MARKET
from defence_stage import look_until
from onchain_stage import market, rich, shown
from test_client_watchtower import receipted, standing

from fairway.chain.purse import Purse
from fairway.client import lookout
from fairway.client.lookout import Lookout, losses_of
from fairway.client.wish import Wish
from fairway.exchange.reading import is_flat
from fairway.ton import vault_messages as vault
from fairway.ton.wallet import Transfer
from fairway.units import TON

LOTS, AWAY = 400, MARK * 98 // 100


async def turn(loser, winner, *, buys):
    """`loser` trades there and back at a loss; nothing is left open."""
    first, second = (MARK, AWAY) if buys else (AWAY, MARK)
    for side, price in ((buys, first), (not buys, second)):
        await winner.session.place(Wish(MARKET, not side, LOTS, price, leverage=10))
        await loser.session.place(Wish(MARKET, side, LOTS, price, leverage=10))
    for user in (loser, winner):
        await user.session.countersign()
        await user.session.countersign()


def losing_pair(user):
    """The newest pair in which the user cites the service, with nothing open: what the service holds by now."""
    side = user.session.side
    a, b, promised = side.replica.cosigned
    assert is_flat(promised)
    signed = vault.SignedCell(side._signer.sign(a.digest()), a.to_cell())
    body = vault.show_loss(
        user.onchain.name, signed, vault.SignedCell(b.signature, b.half.to_cell()), promised.root_cell()
    )
    return body, a.sent - b.half.sent


async def tell(chain, service, body):
    """Anybody may send it: the operator does."""
    purse = Purse(chain, service.keyring.operator(), service.engine.rules.network)
    await purse.send(Transfer(service.vault, vault.EVIDENCE_VALUE, body))


async def won_back(chain, service, alice, bob):
    """Alice loses, both sign it, and she wins more back: the old pair, and what it says that she lost."""
    for user in (alice, bob):
        await user.deposit(100 * TON)
        await shown(service, user)
    await turn(alice, bob, buys=True)
    body, lost = losing_pair(alice)
    assert lost > TON
    await turn(bob, alice, buys=True)
    return body, lost


async def moved(chain, service, name):
    """A quarantine later whoever likes takes the loss; what has moved."""
    await chain.advance(service.engine.rules.quarantine_s + 1)
    await tell(chain, service, vault.take_loss(name))
    await asyncio.sleep(0.05)
    return (await losses_of(chain, service.vault, name)).moved


async def test_a_tower_answers_an_old_losing_pair_while_its_user_is_away(tmp_path):
    async with market(tmp_path) as (chain, service), standing(chain, tmp_path) as tower:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work([tower.url]) as alice, people[1].at_work() as bob:
            old, lost = await won_back(chain, service, alice, bob)
            await receipted(alice)
            name, cosigned = alice.onchain.name, alice.session.side.replica.cosigned
            true_loss = max(0, cosigned.a.sent - cosigned.b.half.sent)
            assert true_loss < lost
        service.down = True
        service.cut()
        await tell(chain, service, old)

        async def answered():
            losses = await losses_of(chain, service.vault, name)
            return losses.seen == cosigned.b.half.seqno

        await look_until(answered)
        assert await moved(chain, service, name) <= true_loss
        assert tower.words == [f"channel {name.hex()[:8]}: answered a loss that is none any more"]


async def test_a_tower_without_gas_answers_once_it_has_some(tmp_path, monkeypatch):
    monkeypatch.setattr(lookout, "PAUSE_S", 0.02)
    async with market(tmp_path) as (chain, service), standing(chain, tmp_path) as tower:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work([tower.url]) as alice, people[1].at_work() as bob:
            old, _ = await won_back(chain, service, alice, bob)
            await receipted(alice)
            name = alice.onchain.name
        await tower.core.purse.send(Transfer(service.vault, await tower.core.purse.balance() - TON // 20))
        await tell(chain, service, old)
        await look_until(lambda: told(tower, lookout.ATTEMPTS + 1))
        await chain.fund(tower.core.purse.address, 5 * TON)

        async def answered():
            return (await losses_of(chain, service.vault, name)).seen

        await look_until(answered)


async def told(tower, times):
    """Whether the tower has complained so often."""
    return sum("could not" in words for words in tower.words) >= times


async def test_a_user_on_line_answers_by_himself_and_a_true_loss_is_left_standing(tmp_path):
    async with market(tmp_path) as (chain, service):
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            old, _ = await won_back(chain, service, alice, bob)
            await tell(chain, service, old)

            async def answered():
                return (await losses_of(chain, service.vault, alice.onchain.name)).seen

            await look_until(answered)
            true, lost = losing_pair(bob)
            assert lost > 0
            await tell(chain, service, true)
            assert await moved(chain, service, bob.onchain.name) == lost
            assert await moved(chain, service, alice.onchain.name) < lost
            for user in (alice, bob):
                await user.session.place(Wish(MARKET, True, 1, AWAY))


async def test_planted_where_nobody_answers_what_was_won_back_is_protected_no_more(tmp_path, monkeypatch):
    async def blind(_self, _name):
        return None

    monkeypatch.setattr(Lookout, "_look", blind)
    async with market(tmp_path) as (chain, service), standing(chain, tmp_path) as tower:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work([tower.url]) as alice, people[1].at_work() as bob:
            old, lost = await won_back(chain, service, alice, bob)
            await receipted(alice)
            name = alice.onchain.name
        await tell(chain, service, old)
        await asyncio.sleep(0.3)
        assert await moved(chain, service, name) == lost
