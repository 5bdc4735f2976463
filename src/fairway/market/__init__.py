"""The market: what may be ordered, who stands in the book, who meets whom. It knows sizes and prices, never money."""
