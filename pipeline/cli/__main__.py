"""`python -m pipeline.cli`, which is `decant`."""

from pipeline.cli import main

main()
