"""What the payment network's own client sends, sent to our contract as it is: it works, in each currency.

`tests/vectors/living-channel.json` holds bytes that the client made, with the numbers of channel_stage.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from channel_stage import (
    CHANNEL,
    FINE,
    QUARANTINE_S,
    SETTLING_S,
    STRANGER,
    TON,
    WALLET_A,
    WALLET_B,
    Stage,
    both,
    signed,
)
from test_channel_contract_jetton import MASTER, UNITS, notify, says, take, transfer

from fairway.chain.interface import Transaction
from fairway.channel.codec import Close, Commit, Finish, Init, Message, TopUp, decode, encode
from fairway.ton.cells import from_boc
from fairway.ton.contracts import contract_code
from fairway.ton.messages import address_of, state_init

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/living-channel.json").read_text())
MESSAGES = {name: from_boc(bytes.fromhex(boc)) for name, boc in VECTORS["messages"].items()}
CURRENCIES = {"ton": None, "jetton": MASTER, "extra": 100}


OURS: dict[str, Message] = {
    "init": signed(Init(CHANNEL), by_a=True),
    "top_up_a": TopUp(True),
    "top_up_b": TopUp(False),
    "cooperative_close": both(Close(CHANNEL, 3 * TON, TON, 5, 6)),
    "cooperative_commit": both(Commit(CHANNEL, TON, 0, 1, 1, 2 * TON, TON // 2)),
    "finish_uncooperative_close": Finish(),
}


class Living:
    """Our contract, deployed and driven by nothing but their bytes."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.stage = Stage(currency=CURRENCIES[kind])
        data = from_boc(bytes.fromhex(VECTORS["storage"][kind]))
        assert self.stage.address == address_of(state_init(contract_code("channel"), data))
        self.say("init")
        if kind == "jetton":
            says(self.stage, MASTER, take(UNITS))
        self.top_up("top_up_a", 10 * TON)
        self.top_up("top_up_b", 100 * TON)

    def say(self, name: str, nano: int = TON // 5, extra: dict[int, int] | None = None) -> Transaction:
        done, *_ = self.stage.router.inject(STRANGER, self.stage.address, nano, MESSAGES[name], extra=extra)
        assert (done.exit_code, done.result_code) == (0, 0), (name, done)
        return done

    def top_up(self, name: str, nano: int) -> None:
        if self.kind == "jetton":
            says(self.stage, UNITS, notify(nano, MESSAGES[name]))
        elif self.kind == "extra":
            self.say(name, extra={100: nano})
        else:
            self.say(name, nano + 30_000_000)

    def paid(self, done: Transaction) -> tuple[int, int]:
        """What A and B were sent of the channel's currency; A's TON comes with the rent."""
        if self.kind == "jetton":
            sent = dict(reversed(transfer(message)) for message in done.outgoing if message.destination == UNITS)
            return sent.get(WALLET_A, 0), sent.get(WALLET_B, 0)
        accounts = [self.stage.router.account(wallet) for wallet in (WALLET_A, WALLET_B)]
        held = [account.extra.get(100, 0) if self.kind == "extra" else account.balance for account in accounts]
        return held[0], held[1]


@pytest.fixture(params=list(CURRENCIES))
def living(request: pytest.FixtureRequest) -> Living:
    return Living(request.param)


def near(paid: tuple[int, int], nano_a: int, nano_b: int) -> bool:
    return nano_a <= paid[0] < nano_a + 3 * TON and paid[1] == nano_b


@pytest.mark.parametrize("name", list(MESSAGES))
def test_our_codec_reads_their_messages_and_writes_the_same(name: str):
    assert encode(decode(MESSAGES[name])).hash == MESSAGES[name].hash


@pytest.mark.parametrize("name", list(OURS))
def test_our_messages_are_theirs(name: str):
    assert encode(OURS[name]).hash == MESSAGES[name].hash


def test_their_messages_commit_and_close_together(living: Living):
    committed = living.say("cooperative_commit")
    assert living.paid(committed) == (2 * TON, TON // 2)
    before = living.paid(committed)
    closed = living.paid(living.say("cooperative_close"))
    total = closed if living.kind == "jetton" else (closed[0] - before[0], closed[1] - before[1])
    assert near(total, 6 * TON, 101 * TON + TON // 2)


def test_their_messages_close_alone(living: Living):
    """Stale start, challenge, a claim of 3 TON, the fine of half a TON: of 10, A keeps 10 - 1 - 3 - 0.5 + 2."""
    stage = living.stage
    living.say("start_uncooperative_close")
    living.say("challenge_quarantined_state")
    stage.router.advance(QUARANTINE_S + 1)
    living.say("settle_conditionals")
    stage.router.advance(SETTLING_S)
    done = living.say("finish_uncooperative_close")
    assert near(living.paid(done), 8 * TON - FINE, 102 * TON + FINE)
