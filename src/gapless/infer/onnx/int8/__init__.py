"""Models of 8-bit numbers: written from models of 32, measured beside them, and used where that pays."""
