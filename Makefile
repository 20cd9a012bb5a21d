# Tessera's freestanding build, and everything a person types. `make` alone prints the targets.
#
# The host build and its tests are Package.swift's; this file compiles the same modules for a
# machine without an operating system, with plain swiftc.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/sh

# What a person may set ----------------------------------------------------------------------------

CONFIG ?= release
SMP ?= 1
MEM ?= 512M
# TCG emulates the processor's translation caches. KVM inside a virtual machine looks entries up
# anew so often that a missing flush goes unnoticed, and it boots more slowly.
ACCEL ?= tcg
QEMUFLAGS ?=
V ?=

ifeq ($(filter $(CONFIG),release debug check),)
$(error CONFIG=$(CONFIG) is not one of release, debug, check)
endif

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)';)
B := build/$(CONFIG)

# Tools. Those of LLVM come with the Swift toolchain and are found beside swiftc's own files, so
# that only swiftc need be on PATH. Looked up when first used.

SWIFTC ?= swiftc
TOOLCHAIN = $(eval TOOLCHAIN := $(shell $(SWIFTC) -print-target-info 2>/dev/null | \
  sed -n 's|.*"runtimeResourcePath": "\(.*\)/lib/swift".*|\1/bin|p'))$(or $(TOOLCHAIN),$(error \
  swiftc was not found; install Swift 6.3.1 (https://www.swift.org/install) and put the directory \
  that holds swiftc on PATH))
CLANG = $(TOOLCHAIN)/clang
LD = $(TOOLCHAIN)/ld.lld
OBJCOPY = $(TOOLCHAIN)/llvm-objcopy
OBJDUMP = $(TOOLCHAIN)/llvm-objdump
NM = $(TOOLCHAIN)/llvm-nm
GDB ?= gdb

# Flags --------------------------------------------------------------------------------------------

TRIPLE := x86_64-unknown-none-elf

# No red zone, because an interrupt would write over it; no vector registers, because nobody saves
# them. check is the release build with the texts of failed checks kept and freed frames poisoned.
CFLAGS := -target $(TRIPLE) -ffreestanding -mno-red-zone -mno-sse -mno-mmx -fno-stack-protector -g \
  -Wall -Wextra -Werror -I boot/include

SWIFTFLAGS_release := -O
SWIFTFLAGS_debug := -Onone -no-emit-module-separately-wmo
SWIFTFLAGS_check := -O -assert-config Debug -Xcc -DTESSERA_CHECK=1
SWIFTFLAGS := -target $(TRIPLE) -g -wmo -parse-as-library -swift-version 6 -package-name tessera \
  -enable-experimental-feature Embedded -enable-experimental-feature Lifetimes \
  -enable-upcoming-feature ExistentialAny -enable-upcoming-feature InternalImportsByDefault \
  -enable-upcoming-feature MemberImportVisibility \
  -strict-memory-safety -warnings-as-errors -no-allocations \
  -Xcc -ffreestanding -Xcc -mno-red-zone -Xcc -mno-sse -Xcc -mno-mmx \
  -Xfrontend -disable-stack-protector -Xfrontend -function-sections \
  -Xfrontend -no-clang-module-breadcrumbs \
  -module-cache-path $(B)/modules -I Sources/CTessera/include -I boot/include -I $(B) \
  $(SWIFTFLAGS_$(CONFIG))
LDFLAGS := -T linker/kernel.ld --gc-sections -static -nostdlib -z noexecstack \
  -z max-page-size=4096 --build-id=none

# Modules, in the order of their layers ------------------------------------------------------------

LIBRARY := TesseraHardware TesseraFrames TesseraMultiboot TesseraPageTables TesseraSpaces Tessera \
  TesseraC
SHARED := $(LIBRARY) DemoPlatform
# One kernel is a name and the modules it has besides the shared ones; the last one is its entry.
KERNELS := tessera guest-suite
MODULES_tessera := DemoKernel
MODULES_guest-suite := Scenarios GuestSuite

FOLDER_Scenarios := Tests/Scenarios
FOLDER_GuestSuite := Tests/GuestSuite
folder = $(or $(FOLDER_$(1)),Sources/$(1))
sources = $(sort $(shell find $(call folder,$(1)) -name '*.swift' 2>/dev/null))

HEADERS := $(wildcard Sources/CTessera/include/* boot/include/*)
ASSEMBLY := $(patsubst boot/%.S,$(B)/boot/%.o,$(wildcard boot/*.S))

# A stamp that changes when the list of a module's files or the flags do: a file that was removed
# would not make anything newer.
define remember
	@mkdir -p $(@D)
	@printf '%s\n' $(1) | cmp -s - $@ || printf '%s\n' $(1) > $@
endef

# module NAME, MODULES BELOW: compiles a module to an object and what importers read.
define module
$(B)/$(1).files: FORCE
	$$(call remember,'$$(call sources,$(1))' '$$(SWIFTC) $$(SWIFTFLAGS)')
$(B)/$(1).o $(B)/$(1).swiftmodule &: $(B)/$(1).files $$(call sources,$(1)) $(HEADERS) \
    $(2:%=$(B)/%.swiftmodule)
	$$(if $$(call sources,$(1)),,$$(error no Swift files are in $$(call folder,$(1)) for $(1)))
	$$(call say,swiftc,$(1))
	$(Q)$$(SWIFTC) $$(SWIFTFLAGS) -module-name $(1) -emit-module \
	  -emit-module-path $(B)/$(1).swiftmodule -c $$(call sources,$(1)) -o $(B)/$(1).o
	@touch $(B)/$(1).o $(B)/$(1).swiftmodule  # swiftc leaves a file alone that would not change
endef

# layers MODULES BELOW, MODULES: a rule for each module, each of which may import all before it.
layers = $(if $(2),$(eval $(call module,$(firstword $(2)),$(1)))$(call \
  layers,$(1) $(firstword $(2)),$(wordlist 2,99,$(2))))
$(call layers,,$(SHARED))
$(foreach k,$(KERNELS),$(call layers,$(SHARED),$(MODULES_$(k))))

$(B)/boot/%.o: boot/%.S $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(call say,clang,$<)
	$(Q)$(CLANG) $(CFLAGS) -c $< -o $@

# kernel NAME: links the image. The elf32 copy is for loaders that know only multiboot1; it loads
# the same bytes to the same places. .debug_names is left out because gdb 13 trips over Swift's.
define kernel
$(B)/$(1).elf: $(ASSEMBLY) $(SHARED:%=$(B)/%.o) $(MODULES_$(1):%=$(B)/%.o) linker/kernel.ld
	$$(call say,link,$$@)
	$(Q)$$(LD) $(LDFLAGS) -Map $(B)/$(1).map -o $$@ $$(filter %.o,$$^)
	$(Q)$$(OBJCOPY) -R .debug_names $$@
endef
$(foreach k,$(KERNELS),$(eval $(call kernel,$(k))))

$(B)/%.elf32: $(B)/%.elf
	$(Q)$(OBJCOPY) --strip-debug -O elf32-i386 $< $@

# The last configuration built is the one under build/ itself, where people and scripts look.
build/%.elf build/%.elf32: $(B)/%.elf $(B)/%.elf32 FORCE
	@cmp -s $(B)/$*.elf build/$*.elf || cp $(B)/$*.elf build/$*.elf
	@cmp -s $(B)/$*.elf32 build/$*.elf32 || cp $(B)/$*.elf32 build/$*.elf32
build/%.asm: build/%.elf
	$(Q)$(OBJDUMP) -d --demangle --no-show-raw-insn $< > $@
build/%.sym: build/%.elf
	$(Q)$(NM) -n --demangle $< > $@
build/%.map: build/%.elf
	$(Q)cp $(B)/$*.map $@

.SECONDARY:
.PHONY: FORCE
FORCE:

include Tests/Benchmarks/rules.mk

# What people type ---------------------------------------------------------------------------------

# A line that starts with a target's name and has two number signs is its line of help.
.PHONY: help
help: ## print this list
	@awk -F ': .*## ' '/^[a-z-]+:.* ## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  variables: CONFIG=release|debug|check SMP= MEM= ACCEL=tcg|kvm QEMUFLAGS= V=1'

# What boot/qemu-run reads.
export SMP MEM ACCEL QEMUFLAGS

.PHONY: run
run: doctor-run build/tessera.elf ## build the demo kernel and boot it in QEMU
	$(Q)boot/qemu-run -kernel build/tessera.elf32 $(if $(APPEND),-append "$(APPEND)")

ARTEFACTS := build/tessera.elf build/tessera.asm build/tessera.sym build/tessera.map
.PHONY: kernel
kernel: $(ARTEFACTS) ## build build/tessera.elf, with disassembly, symbols and map

.PHONY: iso
iso: doctor-iso build/tessera.iso ## make an image that GRUB boots, build/tessera.iso

.PHONY: run-iso
run-iso: doctor-run iso ## boot that image in QEMU
	$(Q)boot/qemu-run -cdrom build/tessera.iso

# Which of the menu's entries GRUB starts without asking: 0 is multiboot2, 1 is multiboot1.
ENTRY ?= 0
build/tessera.iso: build/tessera.elf boot/grub.cfg FORCE
	@mkdir -p build/iso/boot/grub
	$(Q)$(OBJCOPY) --strip-debug build/tessera.elf build/iso/boot/tessera.elf
	$(Q)cp build/tessera.elf32 build/iso/boot/tessera.elf32
	$(Q)sed 's/@ENTRY@/$(ENTRY)/;s/@APPEND@/$(APPEND)/' boot/grub.cfg > build/iso/boot/grub/grub.cfg
	$(call say,iso,$@)
	$(Q)grub-mkrescue -o $@ build/iso --locales= --fonts= --themes= >build/iso.log 2>&1 \
	  || { cat build/iso.log >&2; exit 1; }

.PHONY: gdb
gdb: doctor-run doctor-gdb build/tessera.elf ## debug the demo kernel: QEMU stopped, gdb attached
	$(Q)$(GDB) -q -nx -x .gdbinit $(GDBFLAGS)

.PHONY: doctor doctor-run doctor-iso doctor-gdb doctor-test doctor-bench
doctor: ## name each missing tool, and install it or print the line that does
	$(Q)boot/doctor run test iso gdb bench
doctor-run doctor-iso doctor-gdb doctor-test doctor-bench: doctor-%:
	$(Q)boot/doctor --quiet $*

.PHONY: format
format: ## lay out all Swift sources
	$(Q)swift format format --in-place --recursive --parallel Package.swift Sources Tests

.PHONY: clean
clean: ## remove everything that was built
	$(Q)rm -rf build .build .build-*

.PHONY: check
check: doctor-test ## format, rules of the house, what the built images must not contain
	$(Q)MAKE='$(MAKE)' Tests/check-all $(LIBRARY)

.PHONY: test
test: doctor-test ## all tests, on this computer and in QEMU; ends with: N passed, N failed
	$(Q)MAKE='$(MAKE)' Tests/run-all

.PHONY: mutants
mutants: doctor-test ## put known mistakes in, one at a time, and see a test fail; MUTANTS=pattern
	$(Q)Tests/Mutants/run
