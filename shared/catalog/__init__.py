"""The catalog model: which entities a resolved run, model or endpoint becomes."""
