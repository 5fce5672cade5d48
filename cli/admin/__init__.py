"""Verbs for the operator of a deployment: doctor, setup, typedefs, retire-accelerator."""
