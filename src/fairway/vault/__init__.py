"""Wrapped TON: what the vault owes, to whom, and from what it may be paid.

`books` is the arithmetic of the vault contract as one frozen value and functions on it; `evidence` is what the contract
charges a channel for a fill its user will not sign. contracts/vault.tolk does the same on chain, and the contract tests
hold the two against each other to the unit.
"""
