# fuzz: targets for every codec, built by clang with libFuzzer and the sanitizers.

FUZZ = FERRY_SRCDIR='$(abs_top_srcdir)' FERRY_BUILDDIR='$(abs_top_builddir)' $(srcdir)/tests/fuzz/fuzz.sh

# Fuzz each target for FUZZ_SECONDS (60); what fails is printed, and its input stays in fuzz/.
FUZZ_SECONDS = 60
fuzz: $(BUILT_SOURCES)
	$(FUZZ) build && $(FUZZ) all $(FUZZ_SECONDS)

# The lines of src/wire that the corpus reaches.
fuzz-coverage: $(BUILT_SOURCES)
	$(FUZZ) build && $(FUZZ) coverage

.PHONY: fuzz fuzz-coverage
clean-local: clean-fuzz
clean-fuzz:
	rm -rf fuzz

if ENABLE_TESTS
BUILD_TESTS += tests/fuzz/it_fuzz.sh
dist_check_SCRIPTS += tests/fuzz/it_fuzz.sh
endif
EXTRA_DIST += \
	tests/fuzz/build.mk \
	tests/fuzz/corpus.c \
	tests/fuzz/fuzz.c \
	tests/fuzz/fuzz.h \
	tests/fuzz/fuzz.sh \
	tests/fuzz/fuzz_grid.c \
	tests/fuzz/fuzz_grid.corpus \
	tests/fuzz/fuzz_http.c \
	tests/fuzz/fuzz_http.corpus \
	tests/fuzz/fuzz_lock.c \
	tests/fuzz/fuzz_lock.corpus \
	tests/fuzz/fuzz_mail.c \
	tests/fuzz/fuzz_mail.corpus \
	tests/fuzz/fuzz_message.c \
	tests/fuzz/fuzz_message.corpus \
	tests/fuzz/fuzz_msgpack.c \
	tests/fuzz/fuzz_msgpack.corpus \
	tests/fuzz/fuzz_raft.c \
	tests/fuzz/fuzz_raft.corpus \
	tests/fuzz/fuzz_steward.c \
	tests/fuzz/fuzz_steward.corpus \
	tests/fuzz/fuzz_stream.c \
	tests/fuzz/fuzz_stream.corpus \
	tests/fuzz/fuzz_text.c \
	tests/fuzz/fuzz_text.corpus \
	tests/fuzz/fuzz_websocket.c \
	tests/fuzz/fuzz_websocket.corpus \
	tests/fuzz/fuzz_heap.h
