"""Stand-ins for AWS under a real Pulumi engine."""
