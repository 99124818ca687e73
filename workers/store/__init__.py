"""Where runs are kept: their logs, their leases and the clock. Redis and, for tests, a twin in
memory fulfil one contract. Finished runs move to the archive."""
