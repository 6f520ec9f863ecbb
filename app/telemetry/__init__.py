"""What the outside can see of a running process: logs and metrics."""
