"""Collectors in a Kubernetes cluster that exists, beside a platform that has the other parts."""
