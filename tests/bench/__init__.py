"""The figures of `make bench`: measured, never asserted."""
