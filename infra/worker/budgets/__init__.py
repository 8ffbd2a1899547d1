"""Budgets: what agents may use, evaluated by the worker every few seconds, told by a signed webhook (docs/budgets.md)."""
