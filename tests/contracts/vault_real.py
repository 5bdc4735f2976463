"""The stage with real channels on it."""

from __future__ import annotations

from vault_stage import Party, Stage, address, succeeded

from fairway.channel.codec import Agreed, Close, Init, Signed, encode
from fairway.channel.state import Body, Half, SignedHalf
from fairway.units import TON
from fairway.vault import books as model

CHANNEL_VALUE, MESSAGE_VALUE = TON // 2, TON // 5


class RealStage(Stage):
    """Channels are contracts here; their units come home by themselves."""

    def ask(self, party: Party):
        """One message deploys the channel and lets it begin: it asks the vault for its wallet."""
        setup = self.parts.setup(self.vault, party.channel_id, party.key.key, party.key_b.key)
        body = encode(self.signed(party, Init(party.channel_id)))
        return self.send(party.wallet, party.owner, CHANNEL_VALUE, body, init=setup.init)

    def tell(self, party: Party, message, nano: int = MESSAGE_VALUE):
        return self.send(party.wallet, party.owner, nano, encode(message))

    def signed(self, party: Party, statement, *, by_a: bool = True) -> Signed:
        return Signed(by_a, (party.key if by_a else party.key_b).sign(statement.digest()), statement)

    def agreed(self, party: Party, statement) -> Agreed:
        digest = statement.digest()
        return Agreed(party.key.sign(digest), party.key_b.sign(digest), statement)

    def halves(self, party: Party, sent_a: int, sent_b: int) -> tuple[SignedHalf, SignedHalf]:
        """The newest halves of both sides, each citing the other."""
        a, b = Body(1, sent_a, bytes(32)), Body(1, sent_b, bytes(32))
        return tuple(
            SignedHalf(half, key.sign(half.digest()))
            for key, half in (
                (party.key, Half(party.channel_id, a, b)),
                (party.key_b, Half(party.channel_id, b, a)),
            )
        )

    def deposits(self, party: Party) -> tuple[int, int]:
        balances = self.router.get(str(party.owner), "getChannelData")[1]
        return balances[2], balances[3]

    def follow(self, party: Party, share: int, done) -> None:
        """The books take the same close in the order in which the channel pays: the service's side first."""
        held = self.books.accounts[party.channel_id].held
        for units, to_sink in ((held - share, True), (share, False)):
            self.books, _ = model.come_home(self.books, party.channel_id, units, to_sink=to_sink, ended=True)
        assert not [each for each in succeeded(done) if each.aborted and each.exit_code is not None]
        self.agree()

    def close(self, party: Party, sent_a: int = 0, sent_b: int = 0):
        return self.tell(party, self.agreed(party, Close(party.channel_id, sent_a, sent_b, 2, 2)))

    def balance(self, name: str) -> int:
        return self.router.account(str(address(name))).balance
