"""Runs on a node, as root, from the bundle that `up` sends: brings the node to what the bundle says and waits until it works.

The standard library of Amazon Linux's own Python (3.9) and its `aws` command only, and imports within this package.
"""
