"""The policy pack: what a stack on AWS may be. Rules in rules/, how Pulumi runs them in pack.py; docs/policy.md."""
