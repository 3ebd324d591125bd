# sim: a network in memory, with a virtual clock and one seed.
