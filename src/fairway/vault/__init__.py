"""Wrapped TON: what the vault owes, to whom, and from what it may be paid.

`state` is the vault's accounting as one frozen value; `books` (channels, liens, gains), `losses` (what moves before a
close, and lies) and `pool` (lenders, bond) are its moves; `evidence` is what a fill that is not signed costs.
contracts/vault.tolk does the same on chain, and the contract tests hold the two against each other to the unit.
"""
