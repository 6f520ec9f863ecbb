"""What ledger and queue both need of Redis: its addresses, connections to it, and what its answers mean."""
