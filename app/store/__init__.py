"""The ledger: what Redis holds, and the scripts that change it. The only importer of `redis` beside the queue."""
