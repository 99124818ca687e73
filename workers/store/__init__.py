"""Where runs are kept: the log, the lease and the clock. One contract, kept by Redis and by a twin
in memory for tests; finished runs move to the archive."""
