"""A thief with the service's keys closes the channel of somebody who is away, with something old; a tower answers.

It happens while the service is down: an honest one that runs would put its own stale start right before anybody else.
"""

from __future__ import annotations

import asyncio

from fairway.chain.purse import Purse
from fairway.channel import codec
from fairway.channel.state import SignedHalf
from fairway.cli.demo.scenes import LINEAR, lasting, until
from fairway.cli.demo.stage import NETWORK, Stage
from fairway.client.wish import Wish
from fairway.crypto.keys import Signer, derive_seed
from fairway.errors import Unavailable
from fairway.exchange.terms import Kind
from fairway.service.keys import Keyring
from fairway.ton.wallet import Transfer
from fairway.units import TON

__all__ = ["VICTIM", "Ambush"]

VICTIM = "jo"
WITHIN_S = 60.0
LOOK_S = 0.1


class Ambush:
    """The scene on `stage`: `prepare` while the service runs, `strike` while it does not."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._old: tuple[SignedHalf, SignedHalf] | None = None

    async def prepare(self) -> None:
        """The victim signs more, leaves it with the tower and goes; the thief has what was there before."""
        jo = self._stage.traders[VICTIM]
        self._old = jo.pair_now()
        limit = self._stage.prices.marks[LINEAR] * 95 // 100
        key = await jo.session.place(Wish(LINEAR, True, 10, limit, Kind.LIMIT, 5, expires_ms=lasting()))
        await jo.session.cancel(key)
        await jo.session.countersign()
        (courier,), side = jo.user.couriers, jo.session.side

        def is_kept() -> bool:
            return courier.receipt is not None and (courier.receipt.seqno_a, courier.receipt.seen) == side.watchable

        await until(is_kept, "the tower gave its receipt")
        await jo.go()
        jo.signs = False

    async def strike(self) -> None:
        """The thief starts; return when the chain shows the tower's answer."""
        if self._old is None:
            return
        stage, jo = self._stage, self._stage.traders[VICTIM]
        side, chain = jo.session.side, stage.chain.chain
        thief = Purse(chain, Signer.of(derive_seed(b"demo", "thief")), NETWORK)
        await chain.fund(thief.address, TON)
        statement = codec.Start(side.setup.channel_id, *self._old)
        signer = Keyring.open(stage.folder).channel(NETWORK, stage.vault, side.replica.opened.key_a)
        told = codec.Signed(by_a=False, signature=signer.sign(statement.digest()), statement=statement)
        await thief.send(Transfer(jo.user.onchain.address, TON // 5, codec.encode(told)))
        for _ in range(int(WITHIN_S / LOOK_S)):
            view = await jo.user.onchain.channel()
            if view is not None and view.quarantine is not None and view.quarantine.fine:
                return
            await asyncio.sleep(LOOK_S)
        raise Unavailable("demo.scene", "it never happened that the tower answered")
