"""The dashboards drawn without a Grafana: from the same JSON, as one file or as a live page."""
