"""Verbs for the operator of a deployment: doctor, setup, retire-accelerator."""
