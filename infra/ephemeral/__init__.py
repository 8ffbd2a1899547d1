"""Ephemeral stacks: what they are made from, how long they live, and how they go, on every platform."""
