"""The pure core: pure decisions. No I/O, no clock, no randomness, no log."""
