"""The offline verifier: re-executes a journal and names the first lie."""
