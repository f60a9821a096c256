"""The command line: one verb a file."""

from pipeline.cli.app import main as main
