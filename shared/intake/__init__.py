"""From an event to its message and on to what publishes it: event types, envelopes, allow list, dead letters."""
