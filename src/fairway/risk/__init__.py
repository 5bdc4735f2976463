"""Risk: what a position is worth, what it must keep, when it ends and who bears the rest. It knows no orders."""
