"""A TON chain as the rest of the house sees it, and one of our own to run it on."""
