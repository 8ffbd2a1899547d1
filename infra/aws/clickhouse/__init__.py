"""ClickHouse on EC2: nodes with their own volumes, Keepers, certificates, buckets, and what runs on the nodes.

Imports nothing: the worker's image runs the backup from here, without Pulumi's provider packages.
"""
