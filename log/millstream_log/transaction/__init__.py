"""Transactions as a pure state machine: who may write under a transactional id, and how it ends."""
