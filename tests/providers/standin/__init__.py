"""The stand-in providers: one module a concern; the package's interfaces are described in tests/providers/__init__.py."""
