"""What happens after the parts run: topics, migrations, ingest, prices, canary. Knows no platform."""
