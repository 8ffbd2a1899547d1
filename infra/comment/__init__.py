"""A preview as a pull request's comment: what reviewers need in the order in which they need it."""
