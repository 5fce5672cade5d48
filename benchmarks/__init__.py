"""What `make bench` runs: costs counted, times only as ratios within one run."""
