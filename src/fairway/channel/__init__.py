"""The payment channel between a user (side A) and the service (side B): both run this code, each on its own copy.

- `state`: the halves and their signatures; `conditional`, `conditionals` (laid out by `layout`): what a half promises.
- `phase`: the table of lawful moves; `account`: what a side knows of a channel, and the sums that follow.
- `proposal`: A's halves, the acceptance rule; `push`: B's halves; `machine`: the one face of all these.
- `statement`, `codec`: what else is signed, and the contract's messages.
- `dispute`: the contract's quarantine as a model.
"""
