"""The platform `aws`: each file one part, endpoints out. platform.py is the way through."""
