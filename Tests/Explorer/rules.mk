# The explorer of schedules: the library, compiled with calls at each access, and linked with a
# runtime that answers them instead of ThreadSanitizer's. Included by the Makefile.
#
# TREE is another checkout whose library is explored, as that of a mutant, and EXPLORER the folder
# of the explorer that does it.

TREE ?= .
EXPLORER ?= Tests/Explorer
EXPLORE := build/explore$(if $(filter-out .,$(TREE)),-tree)
EXPLORED := TesseraHardware TesseraFrames TesseraPageTables TesseraSpaces TesseraHeap \
  TesseraFaults TesseraPager TesseraBoot Tessera
EXPLORESOURCES := $(TREE)/Sources
# A mistake may leave code that is never executed.
EXPLORESTRICT := $(if $(filter-out .,$(TREE)),$(filter-out -warnings-as-errors,$(STRICT)),$(STRICT))
explored = $(sort $(shell find $(EXPLORESOURCES)/$(1) -name '*.swift' 2>/dev/null))
EXPLOREFLAGS := -O -g -wmo -parse-as-library -swift-version 6 -package-name tessera \
  -module-cache-path $(EXPLORE)/modules -Xcc -fsanitize=thread \
  -I $(EXPLORESOURCES)/CTessera/include -I $(EXPLORER)/Runtime -I $(EXPLORE)
EXPLORECFLAGS := -O3 -g -Wall -Wextra $(if $(filter .,$(TREE)),-Werror) \
  -I $(EXPLORESOURCES)/CTessera/include -I $(EXPLORER)/Runtime
EXPLOREHEADERS := $(wildcard $(EXPLORESOURCES)/CTessera/include/*)
RUNTIMEHEADERS := $(EXPLOREHEADERS) $(wildcard $(EXPLORER)/Runtime/*.h)
# Definitions of the simulated machine that the explorer's replace.
REPLACED := simulated_set_interrupt_handler simulated_interrupt simulated_take_interrupt \
  simulated_pause tessera_host_panic
# Variables of what is explored are put back before each schedule: they are in sections of their
# own, whose bounds the linker names.
SETAPART := --rename-section .data=explored_data --rename-section .bss=explored_bss

# exploremodule NAME, SOURCES, FLAGS, MODULES BELOW
define exploremodule
$(EXPLORE)/$(1).files: FORCE
	$$(call remember,'$(2)' '$$(SWIFTC) $$(EXPLOREFLAGS) $(3)')
$(EXPLORE)/$(1).o $(EXPLORE)/$(1).swiftmodule &: $(EXPLORE)/$(1).files $(2) $(EXPLOREHEADERS) \
    $(4:%=$(EXPLORE)/%.swiftmodule)
	$$(call say,swiftc,$(1) for the explorer)
	$(Q)$$(SWIFTC) $$(EXPLOREFLAGS) $(3) -module-name $(1) -emit-module \
	  -emit-module-path $(EXPLORE)/$(1).swiftmodule -c $(2) -o $(EXPLORE)/$(1).o
	@touch $(EXPLORE)/$(1).o $(EXPLORE)/$(1).swiftmodule
endef
explorelayers = $(if $(2),$(eval $(call exploremodule,$(firstword $(2)),$(call \
  explored,$(firstword $(2))),$(EXPLORESTRICT) -sanitize=thread,$(1)))$(call explorelayers,$(1) \
  $(firstword $(2)),$(wordlist 2,99,$(2))))
$(call explorelayers,,$(EXPLORED))
EXPLOREMACHINE := $(sort $(filter-out %/ExpectedPanic.swift %/OnSimulatedMachine.swift \
  %+Checks.swift,$(wildcard Tests/SimulatedMachine/*.swift)))
$(eval $(call exploremodule,SimulatedMachine,$(EXPLOREMACHINE),-enable-experimental-feature \
  Lifetimes,$(EXPLORED)))
$(eval $(call exploremodule,ExplorerScenarios,$(sort $(wildcard \
  $(EXPLORER)/Scenarios/*.swift)),-sanitize=thread -enable-experimental-feature \
  Lifetimes,$(EXPLORED) SimulatedMachine))

$(EXPLORE)/ExplorerScenarios.o: $(EXPLORER)/Runtime/explorer.h

$(EXPLORE)/%.part: $(EXPLORE)/%.o
	$(Q)$(OBJCOPY) $(SETAPART) $< $@
$(EXPLORE)/runtime-%.o: $(EXPLORER)/Runtime/%.c $(RUNTIMEHEADERS)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(EXPLORECFLAGS) -c $< -o $@
$(EXPLORE)/toys.o: $(EXPLORER)/Toys/toys.c $(RUNTIMEHEADERS)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(EXPLORECFLAGS) -fsanitize=thread -c $< -o $@
$(EXPLORE)/simulated.o: $(EXPLORESOURCES)/CTessera/simulated.c $(EXPLOREHEADERS)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(EXPLORECFLAGS) -fPIC -fsemantic-interposition -c $< -o $@
	$(Q)$(OBJCOPY) $(REPLACED:%=--weaken-symbol=%) $@

EXPLOREOBJECTS := $(EXPLORED:%=$(EXPLORE)/%.part) $(EXPLORE)/toys.part \
  $(EXPLORE)/SimulatedMachine.o $(EXPLORE)/ExplorerScenarios.o $(EXPLORE)/simulated.o \
  $(patsubst $(EXPLORER)/Runtime/%.c,$(EXPLORE)/runtime-%.o,$(wildcard \
  $(EXPLORER)/Runtime/*.c))
$(EXPLORE)/explore: $(EXPLOREOBJECTS)
	$(call say,link,$@)
	$(Q)$(SWIFTC) -use-ld=lld $(filter-out %.part,$^) \
	  $(foreach p,$(filter %.part,$^),-Xlinker $(p)) -o $@

.PHONY: explore
explore: doctor-test $(EXPLORE)/explore ## try all schedules; SCENARIO= REPLAY= HOURS= SEED=
	$(Q)EXPLORER_SYMBOLIZER='$(TOOLCHAIN)/llvm-symbolizer' SCENARIO='$(SCENARIO)' \
	  REPLAY='$(REPLAY)' HOURS='$(HOURS)' SEED='$(SEED)' SECONDS='$(SECONDS)' \
	  Tests/Explorer/run $(EXPLORE)/explore
