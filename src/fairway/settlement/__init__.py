"""The SettlementTx: what a closed position did to its margin and to the pool, stated in public and proven in private.

statement   what everyone may know of a close, absorbed before anything else is
program     the clauses a proof must show, by kind of close
note        an OrderTx: a trader's open lots, cost, funding base and margin under commitments that add
settlement  the transaction: its integers, its commitments, its proof
epoch       the ranges of many transactions, proven together
chain       the hash chain a channel carries, and what an auditor follows
lending     the LendTx: the pool's first money, deposits, redemptions
worth       the pool's net worth as a sum of commitments, and solvency, which shows it
flip        a close and an opening in one order
"""
