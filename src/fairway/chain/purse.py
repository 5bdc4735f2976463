"""A wallet with its key: whatever one of us sends to the chain goes through one, in order, and is waited for."""

from __future__ import annotations

import asyncio

from fairway.chain.interface import Chain
from fairway.crypto.keys import Signer
from fairway.errors import Rejected, Unavailable
from fairway.ton.wallet import Transfer, Wallet

__all__ = ["Purse"]

VALID_S = 300
PATIENCE_S = 60
POLL_S = 0.05


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

        Errors: `Rejected` (`purse.balance`) where it holds too little; `Unavailable` (`purse.silence`).
        """
        async with self._turn:
            account = await self._chain.get_account(self.address)
            needed = sum(transfer.nano for transfer in transfers)
            if account.balance <= needed:
                raise Rejected("purse.balance", "the wallet holds too little", balance=account.balance, needed=needed)
            seqno = await self._seqno() if account.status == "active" else 0
            request = self._wallet.request(seqno, await self._chain.now() + VALID_S, transfers)
            message = self._wallet.message(request, self._signer.sign(request.hash), deploy=account.status != "active")
            await self._chain.send_external(message)
            await self._taken(seqno)

    async def _seqno(self) -> int:
        (seqno,) = await self._chain.run_get(self.address, "seqno")
        if not isinstance(seqno, int):
            raise Unavailable("purse.wallet", "the wallet's contract does not count its requests")
        return seqno

    async def _taken(self, seqno: int) -> None:
        for _ in range(int(PATIENCE_S / POLL_S)):
            account = await self._chain.get_account(self.address)
            if account.status == "active" and await self._seqno() > seqno:
                return
            await asyncio.sleep(POLL_S)
        raise Unavailable("purse.silence", "the chain did not take the wallet's request in time")
