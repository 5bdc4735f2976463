"""TON's own words: cells, addresses, messages."""
