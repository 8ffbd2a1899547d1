"""Days of retention that rows are stamped with: what is stored, and rewriting it after a tenant's setting has changed."""
