"""Cases that measure an engine of futures, its peers and the physical floor, in small modules."""
