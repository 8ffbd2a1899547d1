"""All rules, registered by being imported. Nothing here knows Pulumi: tests run the rules on what the program declares."""

from policy.rules import ceilings, doors, kafka_and_tasks, machines, stack_wide, storage, watch
from policy.rules.registry import CONTROLS, POLICIES, Control, Finding

__all__ = [
    "CONTROLS",
    "POLICIES",
    "Control",
    "Finding",
    "ceilings",
    "doors",
    "kafka_and_tasks",
    "machines",
    "stack_wide",
    "storage",
    "watch",
]
