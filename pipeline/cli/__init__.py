"""The command line: one verb a file."""

from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    from pipeline.cli.app import main as run

    run()
