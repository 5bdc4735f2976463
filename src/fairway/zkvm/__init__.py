"""The ZkVM: a stack machine whose programs become rank-1 constraint systems over committed values.

It knows nothing of trading. Bytes become instructions (`program`), instructions are checked by type (`checker`) and
run (`vm`) onto one tape of `fairway.crypto.r1cs`, which the `prover` and the `verifier` share.
"""
