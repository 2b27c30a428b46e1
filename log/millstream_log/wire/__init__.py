"""Requests and responses as plain values, and later their bytes."""
