"""The loop that runs by itself: recompute, audit, canary. Takes endpoints only."""
