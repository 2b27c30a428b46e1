"""State: stores of bytes, and the tables and windows the operators keep in them."""
