# doc: the manual pages that are installed.

dist_man_MANS = \
	doc/man/ferry.3 \
	doc/man/ferry.7 \
	doc/man/ferry_gate.3 \
	doc/man/ferry_lock.3 \
	doc/man/ferry_msgpack.3 \
	doc/man/ferry_sim.3 \
	doc/man/ferry_tls.3
if ENABLE_TOOLS
dist_man_MANS += doc/man/ferry-bench.1
endif
if WITH_LIBRAFT
dist_man_MANS += doc/man/ferry_libraft.3
if ENABLE_TOOLS
dist_man_MANS += doc/man/ferry-kv.1
endif
endif
EXTRA_DIST += doc/embedding.md doc/simulation.md doc/man/ferry-kv.1 doc/man/ferry_libraft.3
