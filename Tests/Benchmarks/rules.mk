# The benchmarks: the library, compiled as for the kernel, but for a program of this computer that
# runs it on the simulated processor. Included by the Makefile.

BENCH := build/bench
BENCHTRIPLE := x86_64-unknown-linux-gnu
# Freestanding, the library would use instructions that a program may not.
BENCHFLAGS = $(subst -Xcc -ffreestanding,,$(subst $(TRIPLE),$(BENCHTRIPLE),$(subst \
  $(B),$(BENCH),$(SWIFTFLAGS)))) -I Tests/Benchmarks \
  -Xcc -DSIMULATED_INTERRUPTS=0
BENCHMODULES := TesseraHardware TesseraFrames TesseraPageTables TesseraSpaces TesseraHeap \
  TesseraFaults TesseraPager TesseraBoot Benchmarks
FOLDER_Benchmarks := Tests/Benchmarks
BENCHC := $(basename $(notdir $(wildcard Tests/Benchmarks/*.c)))
BENCHHEADERS := $(HEADERS) $(wildcard Tests/Benchmarks/*.h Tests/Benchmarks/*.modulemap)

# benchmodule NAME, MODULES BELOW: as `module` in the Makefile.
define benchmodule
$(BENCH)/$(1).files: FORCE
	$$(call remember,'$$(call sources,$(1))' '$$(SWIFTC) $$(BENCHFLAGS)')
$(BENCH)/$(1).o $(BENCH)/$(1).swiftmodule &: $(BENCH)/$(1).files $$(call sources,$(1)) \
    $(BENCHHEADERS) $(2:%=$(BENCH)/%.swiftmodule)
	$$(call say,swiftc,$(1) for the benchmarks)
	$(Q)$$(SWIFTC) $$(BENCHFLAGS) -module-name $(1) -emit-module \
	  -emit-module-path $(BENCH)/$(1).swiftmodule -c $$(call sources,$(1)) -o $(BENCH)/$(1).o
	@touch $(BENCH)/$(1).o $(BENCH)/$(1).swiftmodule
endef
benchlayers = $(if $(2),$(eval $(call benchmodule,$(firstword $(2)),$(1)))$(call \
  benchlayers,$(1) $(firstword $(2)),$(wordlist 2,99,$(2))))
$(call benchlayers,,$(BENCHMODULES))
# Loops that do the same would become one function, and a profiler could not tell them apart.
$(BENCH)/Benchmarks.o: BENCHFLAGS += -Xfrontend -disable-llvm-merge-functions-pass

$(BENCH)/%.o: Tests/Benchmarks/%.c $(BENCHHEADERS)
	@mkdir -p $(@D)
	$(call say,clang,$<)
	$(Q)$(CLANG) -target $(BENCHTRIPLE) -O2 -g -Wall -Wextra -Werror \
	  -I Sources/CTessera/include -DSIMULATED_INTERRUPTS=0 -c $< -o $@
$(BENCH)/%.o: Sources/CTessera/%.c $(BENCHHEADERS)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -target $(BENCHTRIPLE) -O2 -g -Wall -Wextra -Werror \
	  -I Sources/CTessera/include -DSIMULATED_INTERRUPTS=0 -c $< -o $@

$(BENCH)/benchmarks: $(BENCHMODULES:%=$(BENCH)/%.o) $(BENCHC:%=$(BENCH)/%.o) \
    $(BENCH)/simulated.o
	$(call say,link,$@)
	$(Q)$(CLANG) -target $(BENCHTRIPLE) -fuse-ld=lld -Wl,--gc-sections,--strip-debug -o $@ $^

.PHONY: bench
bench: doctor-bench build/tessera.elf $(BENCH)/benchmarks ## measure instructions and times
	-$(Q)boot/doctor --quiet heaps
	$(Q)SWIFTC='$(SWIFTC)' Tests/Benchmarks/run $(BENCH)/benchmarks build/tessera.elf
