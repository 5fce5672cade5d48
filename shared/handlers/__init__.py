"""The use cases: one message handled, one event published. They know ports, not clients."""
