"""Dashboards as Python, built to the JSON that Grafana 10 and newer read; every query is a file in sql/queries."""
