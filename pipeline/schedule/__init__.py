"""Runs that repeat by themselves: what is to run when, what came of it, and a scheduler in the foreground."""
