"""The loops: claim what is due, do HTTP concurrently, record the outcome atomically."""
