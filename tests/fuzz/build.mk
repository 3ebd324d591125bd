# build.mk - how fuzz.sh compiles the targets: SRC, BUILD, OUT, CLANG, FLAGS, TARGETS, RAFT (its sources, or nothing).

LIBRARY := $(wildcard $(SRC)/src/wire/*.c $(SRC)/src/base/*.c) $(addprefix $(SRC)/src/adapters/libraft/,$(RAFT))
COMMON := $(BUILD)/raftpb/raft.pb-c.c $(SRC)/tests/harness/messages.c $(SRC)/tests/harness/message_diff.c \
	$(SRC)/tests/fuzz/fuzz.c
LIBRARY_OBJECTS := $(patsubst %.c,$(OUT)/library/%.o,$(notdir $(LIBRARY)))
COMMON_OBJECTS := $(patsubst %.c,$(OUT)/common/%.o,$(notdir $(COMMON)))
LIBS := -lprotobuf-c -lcrypto -lz -lpthread $(if $(RAFT),$(shell pkg-config --libs raft))
INCLUDES := -I$(SRC)/include -I$(SRC)/src -I$(SRC)/tests -I$(BUILD)
# libFuzzer calls the entry of each target through its own declaration.
COMPILE = $(CLANG) -std=gnu11 -D_GNU_SOURCE -DFERRY_VERSION_TEXT='"0"' -g -O1 -Wall -Wextra -Werror $(FLAGS) $(INCLUDES) -MMD -MP -MT $@

vpath %.c $(sort $(dir $(LIBRARY) $(COMMON)))

all: $(addprefix $(OUT)/,$(TARGETS)) $(OUT)/corpus

$(OUT)/library/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -fsanitize=fuzzer-no-link -include $(SRC)/tests/fuzz/fuzz_heap.h -c $< -o $@

$(OUT)/common/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -fsanitize=fuzzer-no-link -c $< -o $@

$(OUT)/fuzz_%.o: $(SRC)/tests/fuzz/fuzz_%.c
	@mkdir -p $(@D)
	$(COMPILE) -fsanitize=fuzzer-no-link -c $< -o $@

$(OUT)/fuzz_%: $(OUT)/fuzz_%.o $(LIBRARY_OBJECTS) $(COMMON_OBJECTS)
	$(CLANG) $(FLAGS) -fsanitize=fuzzer $^ $(LIBS) -o $@

$(OUT)/corpus: $(SRC)/tests/fuzz/corpus.c
	$(CLANG) -D_GNU_SOURCE -O1 -Wall -Wextra -Werror $< -o $@

-include $(wildcard $(OUT)/*.d $(OUT)/*/*.d)
.SECONDARY:
.PHONY: all
