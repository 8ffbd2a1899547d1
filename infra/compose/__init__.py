"""The pipeline in containers: docker-compose.yml, the files that its parts read, and its one-shot programs."""
