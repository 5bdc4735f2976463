"""The user's side: his keys, his record of everything signed, his replica of the rules, and his line to the service.

Nothing here trusts the service. What it pushes is recomputed from what the user signed; what does not follow is
refused and kept as evidence.
"""
