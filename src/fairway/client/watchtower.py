"""A watchtower: holds users' newest co-signed pairs and answers for them while they are away. It has no key of theirs.

A receipt is given after the deposit is durable. Several towers may stand for one channel: the contract takes the first
answer, and the others see that it is there. Gas comes from the tower's own purse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from fairway.chain.interface import Chain
from fairway.chain.purse import Purse
from fairway.channel import codec
from fairway.client.answer import Pledge
from fairway.client.keystore import Keystore
from fairway.client.lookout import Lookout, vault_name
from fairway.client.rounds import check_shown
from fairway.client.sentry import Post, Sentry, Statement, see
from fairway.client.watchtower_store import TowerStore
from fairway.client.watchtower_wire import Charge, Handed, Rounds, Wanted, Watched, charge_of
from fairway.crypto import keys
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange import wire
from fairway.units import TON

__all__ = ["LOW", "Watchtower"]

CHANNELS = 10_000
ROUNDS = 1_000
ASKED_WITHIN_S = 600
"""Seconds by the chain's clock in which an owner's word that asks for his state is fresh."""
LOW = TON
"""Nano in the purse below which the operator is warned: a challenge and a claim need less than half of it."""
RECEIPT_SALT = b"fairway watchtower receipts"


class Watchtower:
    """One tower over `store`; `more_rounds` gives what somebody published elsewhere, `tell` hears each step."""

    def __init__(
        self,
        chain: Chain,
        keystore: Keystore,
        network: int,
        store: TowerStore,
        *,
        more_rounds: Callable[[], Iterable[wire.Round]] = lambda: (),
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.purse = Purse(chain, keystore.wallet(), network)
        self._chain = chain
        self._network = network
        self._signer = keystore.channel(RECEIPT_SALT)
        self._store = store
        self._more_rounds = more_rounds
        self._tell = tell
        self._charges = {charge.channel_id: charge for charge in store.charges()}
        self._fresh: asyncio.Queue[bytes] = asyncio.Queue()
        self._lookouts: dict[str, Lookout] = {}
        for channel_id in self._charges:
            self._fresh.put_nowait(channel_id)

    @property
    def key(self) -> bytes:
        """Whose signature receipts carry."""
        return self._signer.key

    @property
    def channels(self) -> int:
        """How many channels are watched."""
        return len(self._charges)

    async def take(self, handed: Handed) -> Watched:
        """Keep a deposit and give its receipt.

        Errors: those of `charge_of`; `Rejected` with `tower.network`, `tower.outdated`, `tower.full` or
        `tower.unfunded` (no money of such a channel is on chain); `Unavailable` where chain or disk is.
        """
        charge = charge_of(handed)
        if charge.deposit.welcome.network != self._network:
            raise Rejected("tower.network", "this tower watches another network", network=self._network)
        is_new = charge.channel_id not in self._charges
        if is_new:
            await self._check_funded(charge)
            if len(self._charges) >= CHANNELS:
                raise Rejected("tower.full", "this tower watches no more channels", limit=CHANNELS)
        at_s = await self._chain.now()
        self._store.put(charge, handed)
        if charge.channel_id not in self._charges:
            self._fresh.put_nowait(charge.channel_id)
        self._charges[charge.channel_id] = charge
        receipt = Watched(self.key, charge.channel_id, *charge.version, at_s)
        return Watched(self.key, charge.channel_id, *charge.version, at_s, self._signer.sign(receipt.digest()))

    async def _check_funded(self, charge: Charge) -> None:
        view = await see(self._chain, charge.address)
        if view is None or not view.deposit_a:
            raise Rejected("tower.unfunded", "no money of this channel is on chain")

    async def held(self, wanted: Wanted) -> Handed:
        """The newest deposit of a channel, to its owner alone: what he signed himself, so he need not trust the tower.

        Errors: `InvalidMessage` (`signature.invalid`: not the channel's key, `tower.asked`: too old or too new);
        `Rejected` (`tower.channel`); `Unavailable`.
        """
        charge = self._charges.get(wanted.channel_id)
        handed = self._store.handed(wanted.channel_id) if charge else None
        if charge is None or handed is None:
            raise Rejected("tower.channel", "this channel is not watched here")
        if abs(await self._chain.now() - wanted.at_s) > ASKED_WITHIN_S:
            raise InvalidMessage("tower.asked", "the word that asks is not of now", at=wanted.at_s)
        keys.verify(charge.deposit.opened.key_a, wanted.digest(), wanted.signature)
        return handed

    def take_rounds(self, shown: Rounds) -> None:
        """Keep rounds of the oracle of a channel that is watched. Errors: `InvalidMessage`, `Rejected`."""
        charge = self._charges.get(shown.channel_id)
        if charge is None:
            raise Rejected("tower.channel", "this channel is not watched here")
        if len(shown.rounds) > ROUNDS:
            raise InvalidMessage("tower.rounds", "too many rounds at once", limit=ROUNDS)
        welcome = charge.deposit.welcome
        for each in shown.rounds:
            check_shown(welcome, each)
        self._store.put_rounds(welcome.vault, shown.rounds)

    async def run(self) -> None:
        """Stand for every channel that is kept, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                channel_id = await self._fresh.get()
                vault = self._charges[channel_id].deposit.welcome.vault
                if vault not in self._lookouts:
                    self._lookouts[vault] = Lookout(self._chain, self.purse, vault, self._tell)
                    tasks.create_task(self._lookouts[vault].run())
                tasks.create_task(self._stand(channel_id, self._lookouts[vault]))

    async def _stand(self, channel_id: bytes, lookout: Lookout) -> None:
        charge = self._charges[channel_id]
        name = channel_id.hex()[:8]
        post = Post(
            charge.address,
            charge.deposit.welcome,
            lambda: self._charges[channel_id].holding,
            _openly,
            unsigned=True,
            rounds=lambda: self._rounds(charge.deposit.welcome),
            receipts=lambda: self._charges[channel_id].deposit.receipts,
            placed=lambda: self._charges[channel_id].placed,
            adopting=lambda: self._charges[channel_id].holding,
        )
        lookout.stand_for(vault_name(charge.address), lambda: self._pledge(channel_id))
        await Sentry(self._chain, self.purse, post, lambda words: self._tell(f"channel {name}: {words}")).run()
        lookout.leave(vault_name(charge.address))
        del self._charges[channel_id]
        self._store.forget(channel_id)
        self._tell(f"channel {name}: has paid out")

    def _pledge(self, channel_id: bytes) -> Pledge:
        held = self._charges[channel_id].holding
        return Pledge(held.b, held.promised)

    def _rounds(self, welcome: wire.Welcome) -> Iterable[wire.Round]:
        yield from self._store.rounds(welcome.vault)
        yield from self._more_rounds()


def _openly(statement: Statement) -> codec.Message:
    """`statement` as anyone may bring it, for side A."""
    if isinstance(statement, codec.Challenge):
        return codec.OpenChallenge(statement)
    return codec.OpenSettle(from_a=True, statement=statement)
