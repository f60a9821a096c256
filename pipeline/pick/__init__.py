"""Budgets, and the artifact to ship within one."""
