"""What `telemetry doctor` looks at: small checks, each with what it found and what to do about it."""
