"""Calls as they happen: one reader of the journals for each process, and a stream for each who follows."""
