"""Operators: what an aggregate keeps and how it grows. Pure: no clock, no I/O."""
