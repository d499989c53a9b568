"""Global tables of multi-Region strong consistency (MRSC): one order of writes, by a journal of three members."""
