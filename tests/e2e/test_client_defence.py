"""A close that the service begins alone with something old is answered by the user's own client."""

from client_stage import MARK, MARKET
from defence_stage import came_home, look_until, pair_of, round_at, service_starts
from onchain_stage import market, rich, shown
from test_exit_command import leave, published, served

from fairway.client import answer
from fairway.client.wish import Wish
from fairway.units import TON

LOTS = 1_000


async def traded(chain, service, *users):
    """Two users who trade: what the service could sign before, and what both have after."""
    alice, bob = users
    for user in users:
        await user.deposit(100 * TON)
        await shown(service, user)
    old = pair_of(alice)
    await bob.session.place(Wish(MARKET, False, LOTS, MARK, leverage=10))
    await alice.session.place(Wish(MARKET, True, LOTS, MARK, leverage=10))
    return old


async def test_a_user_on_line_answers_claims_and_finishes_by_himself(tmp_path):
    async with market(tmp_path) as (chain, service):
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            old = await traded(chain, service, alice, bob)
            newest, address = alice.session.side.replica.channel.b, alice.onchain.address
            started = await service_starts(chain, service, alice, old)

            async def answered():
                return (await alice.onchain.channel()).quarantine.b.seqno == newest.half.seqno

            await look_until(answered)
            quarantine = (await alice.onchain.channel()).quarantine
            assert quarantine.fine == service.engine.rules.fine
            assert quarantine.challenged
            moment_ms = started.started_at * 1000 + service.engine.rules.patience_ms
            for seen in (round_at(7, moment_ms - 1, MARK), round_at(8, moment_ms, MARK + 1_000)):
                alice._notice(seen)
            await chain.advance(service.engine.rules.quarantine_s + 2)

            async def claimed():
                return (await alice.onchain.channel()).quarantine.b.sent > newest.half.sent

            await look_until(claimed)
            await chain.advance(service.engine.rules.settling_s + 2)
            home = await look_until(lambda: came_home(chain, service, address))
            won = LOTS * 10_000 * 1_000
            agreed = service.engine.accounts[alice.session.side.channel_id].balance
            assert home == agreed + won + service.engine.rules.fine, "the very half that the service's own expects"


async def test_whoever_comes_back_to_a_stale_close_answers_it_before_he_leaves(tmp_path):
    async with market(tmp_path) as (chain, service), served(chain) as url:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            old = await traded(chain, service, alice, bob)
            onchain = alice.onchain
        started = await service_starts(chain, service, alice, old)
        service.down = True
        service.cut()
        moment_ms = started.started_at * 1000 + service.engine.rules.patience_ms
        rounds = tmp_path / "rounds.jsonl"
        rounds.write_text("\n".join([published(7, moment_ms - 1, MARK), published(8, moment_ms, MARK)]))
        left = await leave(people[0], tmp_path, url, "--advance", "--rounds", str(rounds))
        assert left.exit_code == 0, left.exception
        assert "challenged" in left.output
        agreed, fine = alice.session.account.balance, service.engine.rules.fine
        assert await came_home(chain, service, onchain.address) == agreed + fine


async def test_a_close_with_the_newest_half_is_confirmed_once_and_costs_no_fine(tmp_path):
    """He has not cited that half yet, so an older one could be brought for him in the last moment."""
    async with market(tmp_path) as (chain, service):
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            await traded(chain, service, alice, bob)
            newest = alice.session.side.replica.channel.b.half
            await service_starts(chain, service, alice, pair_of(alice))

            async def confirmed():
                return (await alice.onchain.channel()).quarantine.challenged

            await look_until(confirmed)
            view = await alice.onchain.channel()
            assert (view.quarantine.b.seqno, view.quarantine.fine) == (newest.seqno, 0)
            assert answer.challenge_of(view, alice.session.side.holding(), unsigned=False) is None


async def test_planted_a_client_that_answers_only_what_is_older_leaves_an_invented_half_standing(tmp_path, monkeypatch):
    """Whoever closes chooses his own half freely: one far in the future, that promises nothing, is answered too."""
    async with market(tmp_path) as (chain, service):
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            await traded(chain, service, alice, bob)
            side = alice.session.side
            signer = service.keyring.channel(-3, service.vault, side.replica.opened.key_a)
            mine, theirs = pair_of(alice)
            invented = answer.Half(
                side.setup.channel_id, answer.Body(10**9, theirs.half.sent, bytes(32)), mine.half.body
            )
            real = answer.challenge_of
            outrun = []

            def only_older(view, held, *, unsigned):
                if view.quarantine.b.seqno > held.b.half.seqno:
                    outrun.append(view)
                    return None
                return real(view, held, unsigned=unsigned)

            monkeypatch.setattr("fairway.client.sentry.challenge_of", only_older)
            await service_starts(
                chain, service, alice, (mine, answer.SignedHalf(invented, signer.sign(invented.digest())))
            )

            async def looked():
                return outrun

            await look_until(looked)
            assert (await alice.onchain.channel()).quarantine.b.seqno == 10**9, "the planted bug is caught"
            monkeypatch.setattr("fairway.client.sentry.challenge_of", real)

            async def answered():
                return (await alice.onchain.channel()).quarantine.b.seqno == theirs.half.seqno

            await look_until(answered)
