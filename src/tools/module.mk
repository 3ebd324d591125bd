# tools: ferry-bench and the demo.

if ENABLE_TOOLS
endif
