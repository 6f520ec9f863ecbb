"""`python -m app.cli` is `ringback`."""

from app.cli import main

main()
