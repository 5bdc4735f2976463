"""The evening of a simulated day: faults end, everyone goes home, and what is left on disks and chain is audited."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from contextlib import suppress

from fairway.audit.auditor import Auditor
from fairway.channel.phase import Phase
from fairway.cli.dossier import Dossier, audit
from fairway.client.lender import Lender
from fairway.errors import FairwayError, Rejected
from fairway.exchange import event
from fairway.exchange.counts import Counts
from tests.simulation.days.person import Person
from tests.simulation.days.terms import DEPOSIT, MARKS, QUARANTINE_S, SETTLING_S
from tests.simulation.laws import Broken, hold


async def ends(day) -> None:
    """Every order resolves and everyone gets his money home, in bounded time; then everything is compared."""
    for person in day.persons:
        day.network.join(person.name)
        await _within(300, f"{person.name} is not answered", person.is_idle.wait())
    for person in day.persons:
        await _within(60, f"{person.name} has orders that do not go", person.clears_up())
    if day.seed % 2:
        await _flatten(day)
    _look_at_records(day)
    for place, person in enumerate(day.persons):
        await _sends_home(day, person, together=(place + day.seed) % 3 > 0)
    await _takes_back(day)
    await _within(3 * (QUARANTINE_S + SETTLING_S), "not everyone came home", _all_home(day))
    _sums(day)
    _audited(day)


async def _flatten(day) -> None:
    """Everyone who can closes what he holds, at the mark."""
    for market in MARKS:
        for person in day.persons:
            with suppress(Rejected):
                await _within(60, f"{person.name} is not answered", person.offers_all(market))
    for person in day.persons:
        await _within(60, f"{person.name} has orders that do not go", person.clears_up())


def _look_at_records(day) -> None:
    """What no honest party may ever have seen."""
    for person in day.persons:
        side, evidence = person.side, person.record.evidence(person.side.channel_id)
        hold("honest", that=not evidence, says=f"{person.name} took the service for a liar: {evidence}")
        wrapped = side.replica.channel.deposit_a
        hold("I1", that=wrapped == DEPOSIT, says=f"{person.name} wrapped {wrapped}, and meant {DEPOSIT}")


async def _sends_home(day, person: Person, *, together: bool) -> None:
    if together and not person.side.account.positions:
        await _within(120, f"{person.name} cannot withdraw", person.withdraws())
        day.count["withdrawals"] += 1
    else:
        day.count["left alone"] += 1
        day.count["left alone with positions"] += bool(person.side.account.positions)
        day.begin(person.leaves())


async def _takes_back(day) -> None:
    """The lender's shares, at the value that stands."""
    lender = Lender(day.server, day.lender(), day.vault)
    if (await lender.holding()).shares:
        await _within(60, "the lender is not paid", lender.withdraw())
        day.count["lenders"] += 1


async def _all_home(day) -> None:
    house = day.service.house
    while not all(each.phase is Phase.CLOSED for each in house.engine.channels.values()):  # noqa: ASYNC110 - no real wait
        await asyncio.sleep(1)
    await asyncio.gather(*(person.leaving for person in day.persons if person.leaving is not None))


def _sums(day) -> None:
    """I7: the chain paid everyone what the books say he had, but for liens; a nano a position by rounding."""
    house, liens, taken = day.service.house, Counter[tuple[bytes, int]](), Counter[bytes]()
    for entry in house.journal.entries():
        happened = event.decode(entry.payload)
        if isinstance(happened, event.RateSet):
            liens[happened.channel_id, happened.match_id] = happened.owed
        elif isinstance(happened, event.PaidOut):
            taken[happened.channel_id] += happened.value_a
            day.count["withdrawals with the channel open"] += 1
        elif isinstance(happened, event.Closed):
            had = house.engine.accounts[happened.channel_id].withdrawn - taken[happened.channel_id]
            owed = sum(nano for (name, _), nano in liens.items() if name == happened.channel_id)
            words = f"{happened.value_a} came home, {happened.paid} was paid, of {had} less {owed}"
            is_forced = happened.channel_id in day.service.watched.forced
            day.count["forced in dispute"] += is_forced
            hold("I7", that=is_forced or abs(happened.value_a - had) <= len(MARKS), says=words)
            hold("I7", that=0 <= happened.value_a - happened.paid <= owed, says=words)
    live = [name.hex() for name, account in house.engine.accounts.items() if account.orders]
    hold("I9", that=not live, says=f"orders that never end, of {live}")
    day.count.update({name: getattr(house.engine.venue.counts, name) for name in Counts.__slots__})


def _audited(day) -> None:
    """I8: a stranger believes the journal, the users' records and the chain, each by the others."""
    day.service.kill()
    chain = day.folder / "chain.sqlite"
    chain.write_bytes(day.chain.router.snapshot())
    records = tuple(sorted(person.home / "record.sqlite" for person in day.persons))
    try:
        audit(Dossier(day.service.home, chain, records), Auditor(), lambda *_: None)
    except FairwayError as lie:
        raise Broken(f"I8: {lie}") from lie
    day.count["entries audited"] += day.service.house.journal.newest.seq + 1


async def _within(seconds: float, otherwise: str, work: Awaitable[object]) -> None:
    """I9 has bounds."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        raise Broken(f"I9: {otherwise}") from None
