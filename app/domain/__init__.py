"""The rules of following a call, pure: no clock, no network, no store, no framework."""
