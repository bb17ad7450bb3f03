"""The real worker in a simulated world: virtual time, faults by seed, and a witness that misses nothing."""
