"""A wallet with its key: whatever one of us sends to the chain goes through one, in order, and is waited for."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fairway.chain.interface import Chain
from fairway.crypto.keys import Signer
from fairway.errors import Rejected, Unavailable
from fairway.ton.cells import cell_hash, from_boc
from fairway.ton.wallet import Transfer, Wallet

__all__ = ["Purse"]

VALID_S = 300
PATIENCE_S = 60
GLANCE_S = 2.0
"""How long nothing may happen before the request is handed over once more: networks forget some."""


class Purse:
    """The standard wallet of one key. Requests go out one after another; each is known to be taken before the next."""

    def __init__(self, chain: Chain, signer: Signer, network: int) -> None:
        self._chain = chain
        self._signer = signer
        self._wallet = Wallet(signer.key, network)
        self._turn = asyncio.Lock()

    @property
    def address(self) -> str:
        """The wallet's raw address."""
        return self._wallet.address

    async def balance(self) -> int:
        """Nano in the wallet."""
        return (await self._chain.get_account(self.address)).balance

    async def send(self, *transfers: Transfer) -> None:
        """Have the wallet send `transfers`, deploying it with the first; returns when the wallet has taken them.

        Errors: `Rejected` (`purse.balance`) where it holds too little; `Unavailable`: `purse.silence`, and
        `purse.overtaken` where another request of this key, sent by a process before, took this one's place.
        """
        async with self._turn:
            account = await self._chain.get_account(self.address)
            needed = sum(transfer.nano for transfer in transfers)
            if account.balance <= needed:
                raise Rejected("purse.balance", "the wallet holds too little", balance=account.balance, needed=needed)
            seqno = await self._seqno() if account.status == "active" else 0
            request = self._wallet.request(seqno, await self._chain.now() + VALID_S, transfers)
            signature = self._signer.sign(request.hash)
            message = self._wallet.message(request, signature, deploy=account.status != "active")
            await self._offer(message)
            await self._taken(message, seqno)
            await self._check_taken(cell_hash(self._wallet.body(request, signature)), account.last_lt)

    async def _offer(self, message: bytes) -> None:
        """Hand over for the first time. What makes a wallet refuse it is a request it has counted and not shown yet."""
        try:
            await self._hand_over(message)
        except Rejected as refusal:
            raise _overtaken() from refusal

    async def _hand_over(self, message: bytes) -> None:
        """Send; where the answer is lost, the chain may have the message, and it will show."""
        with suppress(Unavailable):
            await self._chain.send_external(message)

    async def _seqno(self) -> int:
        (seqno,) = await self._chain.run_get(self.address, "seqno")
        if not isinstance(seqno, int):
            raise Unavailable("purse.wallet", "the wallet's contract does not count its requests")
        return seqno

    async def _taken(self, message: bytes, seqno: int) -> None:
        """Wait until the wallet has counted the request, and hand it over again while nothing happens."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while not await self._counts_beyond(seqno):
                    last_lt = (await self._chain.get_account(self.address)).last_lt
                    if not await self._chain.wait(self.address, last_lt, GLANCE_S):
                        with suppress(Rejected):  # taken by now, but not shown yet
                            await self._hand_over(message)
                return
        raise Unavailable("purse.silence", "the chain did not take the wallet's request in time")

    async def _check_taken(self, body_hash: bytes, after_lt: int) -> None:
        """The wallet has counted a request; it must be this one."""
        for each in await self._chain.transactions(self.address, after_lt):
            if each.incoming is not None and cell_hash(from_boc(each.incoming.body)) == body_hash:
                return
        raise _overtaken()

    async def _counts_beyond(self, seqno: int) -> bool:
        account = await self._chain.get_account(self.address)
        return account.status == "active" and await self._seqno() > seqno


def _overtaken() -> Unavailable:
    return Unavailable("purse.overtaken", "another request of the wallet's was taken under this one's number")
