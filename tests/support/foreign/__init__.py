"""Clients that others wrote, each behind the same few calls, so that one test serves them all."""
