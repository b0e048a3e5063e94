"""Many askers, few calls: rows that wait are served together, without waiting for each other."""
