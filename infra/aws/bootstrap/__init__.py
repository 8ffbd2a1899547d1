"""What every stack in an account stands on: the state's bucket and key, roles for GitHub's workflows, an image repository."""
