"""Keys, commitments and proofs. The curve arithmetic of proofs is the Rust core's; the rest is read here."""
