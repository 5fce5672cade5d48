"""
Thousands of deliveries while everything fails at times and the publisher is killed: nothing may be lost or doubled.

What is random follows from the seed: which events, in which order, which requests fail, and when a publisher is killed.
How the processes interleave does not, so a run is reproduced in what it is given, not to the microsecond.
"""
