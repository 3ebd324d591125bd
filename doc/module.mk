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

# A page of each function's name, which is that of its header: "man ferry_transport_send" finds it.
install-data-hook:
	for page in $(dist_man_MANS); do \
	    case $$page in *.3) ;; *) continue ;; esac; \
	    name=`basename $$page`; \
	    sed -n 's/^\.Fo \(ferry_[a-z0-9_]*\).*/\1/p' $(srcdir)/$$page | sort -u | while read -r function; do \
	        test $$function.3 = $$name || \
	            echo ".so man3/$$name" >$(DESTDIR)$(man3dir)/$$function.3 || exit 1; \
	    done || exit 1; \
	done
uninstall-hook:
	for page in $(dist_man_MANS); do \
	    case $$page in *.3) ;; *) continue ;; esac; \
	    sed -n 's/^\.Fo \(ferry_[a-z0-9_]*\).*/\1/p' $(srcdir)/$$page | while read -r function; do \
	        rm -f $(DESTDIR)$(man3dir)/$$function.3; \
	    done; \
	done
