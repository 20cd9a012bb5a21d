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
# The number of processors, 1 to 16: 4 for what a person boots, and 1 elsewhere.
SMP ?=
MEM ?= 512M
# TCG emulates the processor's translation caches. KVM inside a virtual machine looks entries up
# anew so often that a missing flush goes unnoticed, and it boots more slowly.
ACCEL ?= tcg
# With ICOUNT=0, QEMU counts instructions instead of time: each takes 2 to the power of 0 ns.
ICOUNT ?=
# The MiB of the disk of the demo kernel, build/disk.img: 512 for `make run`; 0 for none. With
# ICOUNT, none unless it is set: a disk answers when this computer does, not after so many
# instructions, and the run would not be the same each time.
DISK ?=
QEMUFLAGS ?=
# For `make lib`: the offset in the GS segment of a kernel at which it keeps the number of the
# processor, in 32 bits. The library then reads it there instead of calling a hook.
PROCESSOR_NUMBER_AT_GS ?=
# Where `make install` puts the library, and a folder that stands for the root of the file system.
PREFIX ?= /usr/local
DESTDIR ?=
V ?=

ifeq ($(filter $(CONFIG),release debug check),)
$(error CONFIG=$(CONFIG) is not one of release, debug, check)
endif

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)';)
B := build/$(CONFIG)$(PROCESSOR_NUMBER_AT_GS:%=-gs-%)

# What the compiler keeps of C modules names the folder of the checkout. In one that was moved, it
# has to be made anew.
ifneq ($(shell cat build/place 2>/dev/null),$(CURDIR))
$(shell mkdir -p build && find build $(wildcard .build) -type d \
  \( -name ModuleCache -o -name modules -o -name editor \) -prune -exec rm -rf {} + && \
  echo '$(CURDIR)' >build/place)
endif

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
AR = $(TOOLCHAIN)/llvm-ar
NM = $(TOOLCHAIN)/llvm-nm
GDB ?= gdb

# Flags --------------------------------------------------------------------------------------------

TRIPLE := x86_64-unknown-none-elf

# No red zone, because an interrupt would write over it; no vector registers, which no code saves.
# check is the release build with the texts of failed checks kept and freed frames poisoned.
CFLAGS_debug := -D KERNEL_STACK_SIZE=262144
CFLAGS := -target $(TRIPLE) -ffreestanding -mno-red-zone -mno-sse -mno-mmx -fno-stack-protector -g \
  -Wall -Wextra -Werror -I boot/include $(CFLAGS_$(CONFIG))

# What all Swift of one kernel is compiled with, its own as well: Tessera's code is inlined there.
KERNEL_SWIFTFLAGS_check := -Xcc -DTESSERA_CHECK=1
NUMBER_FLAG := $(PROCESSOR_NUMBER_AT_GS:%=-Xcc -DTESSERA_PROCESSOR_NUMBER_AT_GS=%)
KERNEL_SWIFTFLAGS := -target $(TRIPLE) -swift-version 6 -wmo -parse-as-library \
  -enable-experimental-feature Embedded -enable-experimental-feature Lifetimes \
  -Xcc -ffreestanding -Xcc -mno-red-zone -Xcc -mno-sse -Xcc -mno-mmx \
  -Xfrontend -disable-stack-protector -Xfrontend -function-sections $(KERNEL_SWIFTFLAGS_$(CONFIG)) \
  $(NUMBER_FLAG)

SWIFTFLAGS_release := -O
SWIFTFLAGS_debug := -Onone -no-emit-module-separately-wmo
SWIFTFLAGS_check := -O -assert-config Debug
# The settings that Package.swift gives the same modules.
STRICT := $(shell boot/manifest flags)
SWIFTFLAGS := $(KERNEL_SWIFTFLAGS) -g -package-name tessera \
  $(STRICT) -no-allocations \
  -Xfrontend -no-clang-module-breadcrumbs \
  -module-cache-path $(B)/modules -I Sources/CTessera/include -I boot/include -I $(B) \
  $(SWIFTFLAGS_$(CONFIG))
LDFLAGS := -T linker/kernel.ld --gc-sections -static -nostdlib -z noexecstack \
  -z max-page-size=4096 --build-id=none

# Modules, in the order of their layers ------------------------------------------------------------

LIBRARY := $(shell boot/manifest modules)
ifeq ($(and $(LIBRARY),$(STRICT)),)
$(error boot/manifest found no modules or no compiler settings in Package.swift)
endif
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

# The user program, which is part of the kernel: an image that is loaded where it is linked.
USER_OBJECTS := $(patsubst boot/%,$(B)/%.o,$(wildcard boot/user/*.c boot/user/*.S))
USER_HEADERS := $(wildcard boot/user/*.h) boot/include/user.h
$(B)/user/%.o: boot/user/% $(USER_HEADERS) Makefile
	@mkdir -p $(@D)
	$(call say,clang,$<)
	$(Q)$(CLANG) $(CFLAGS) -O2 -fno-pic -fno-builtin -mno-80387 -c $< -o $@
$(B)/user/program.elf: $(USER_OBJECTS) boot/user/program.ld
	$(Q)$(LD) -T boot/user/program.ld -static -nostdlib -z noexecstack --build-id=none -o $@ \
	  $(filter %.o,$^)
$(B)/user/program.bin: $(B)/user/program.elf
	$(Q)$(OBJCOPY) -O binary $< $@
$(B)/boot/program.o: $(B)/user/program.bin
$(B)/boot/program.o: CFLAGS += -I $(B)

# kernel NAME: links the image. The elf32 copy is for loaders that know only multiboot1; it loads
# the same bytes to the same places. .debug_names is left out because gdb 13 trips over Swift's.
define kernel
$(B)/$(1).elf: $(ASSEMBLY) $(SHARED:%=$(B)/%.o) $(MODULES_$(1):%=$(B)/%.o) $(B)/user.o \
  linker/kernel.ld
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

# The loader that gives a kernel any memory map, for Tests/GuestSuite/maps.
build/map-loader.elf: Tests/GuestSuite/map-loader.c Makefile
	@mkdir -p $(@D)
	$(call say,clang,$<)
	$(Q)$(CLANG) -target i386-unknown-none-elf -ffreestanding -fno-builtin -mno-sse -mno-mmx \
	  -fno-stack-protector -fno-pic -O1 -Wall -Wextra -Werror -c $< -o $(@:.elf=.o)
	$(Q)$(LD) -m elf_i386 -static -nostdlib --image-base=0x7ff000 -Ttext=0x800000 -e start \
	  -z noexecstack -o $@ $(@:.elf=.o)

# The library for other kernels --------------------------------------------------------------------

HEADER := Sources/CTessera/include/tessera.h
LIBRARY_C := $(B)/defaults.o $(B)/user.o

# For any address: a kernel may be linked anywhere.
$(B)/%.o: Sources/CTessera/%.c $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(call say,clang,$<)
	$(Q)$(CLANG) $(CFLAGS) -O2 -fpie -I Sources/CTessera/include -c $< -o $@

# One object of what the functions tessera_... need, whose other names are its own: each Embedded
# Swift object has a copy of a small runtime, and a kernel may hold a second one. Each function is
# in a section of its own, so that a kernel linked with --gc-sections has those alone that it uses.
# All of these sections are called .text, or .rodata: a linker script need not know any other name.
# lld leaves marks on some constants as if they held strings alone, which another linker may merge:
# those are taken off.
#
# The debug information stays: it is never loaded, gdb finds Tessera's lines with it, and a kernel
# that is linked with --strip-debug is rid of it.
$(B)/tessera.o: $(LIBRARY:%=$(B)/%.o) $(LIBRARY_C) linker/library.ld Makefile
	$(if $(filter debug,$(CONFIG)),$(error make lib needs CONFIG=release or check: code that is not \
	  optimised asks for more of Swift's runtime than there is))
	$(call say,link,$@)
	$(Q)$(NM) --defined-only --extern-only --format=just-symbols $(filter %.o,$^) | \
	  sed -n 's/^tessera_/--undefined=&/p' > $(B)/tessera.offered
	$(Q)$(LD) --relocatable --gc-sections --force-group-allocation -T linker/library.ld \
	  @$(B)/tessera.offered $(filter %.o,$^) -o $@
	$(Q)$(OBJDUMP) --section-headers --wide $@ | awk -v rodata=,alloc,readonly,data ' \
	  $$2 ~ /^\.text\./ { print "--rename-section=\047" $$2 "=.text\047" } \
	  $$2 ~ /^\.rodata\./ { print "--rename-section=\047" $$2 "=.rodata" rodata "\047" }' \
	  > $(B)/tessera.sections
	$(Q)$(OBJCOPY) @$(B)/tessera.sections --wildcard --keep-global-symbol='tessera_*' $@

$(B)/libtessera.a: $(B)/tessera.o
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

# For kernels in Swift, which see Tessera's types and inline its code: all objects as they are.
$(B)/libtessera-swift.a: $(LIBRARY:%=$(B)/%.o) $(LIBRARY_C)
	$(call say,archive,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^
	$(Q)$(OBJCOPY) -R .debug_names -R .swift_modhash -R .swift1_autolink_entries \
	  -R .linker-options $@

# What code of Swift with classes and collections asks for: the kernel's, for Tessera's has none.
RUNTIME := Sources/TesseraSwiftRuntime
RUNTIME_OBJECTS := $(patsubst $(RUNTIME)/%,$(B)/swift-runtime/%.o, \
  $(wildcard $(RUNTIME)/*.c $(RUNTIME)/*.S))
$(B)/swift-runtime/%.o: $(RUNTIME)/% $(RUNTIME)/runtime.h $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(call say,clang,$<)
	$(Q)$(CLANG) $(CFLAGS) -O2 -fpie -ffunction-sections -I Sources/CTessera/include -c $< -o $@
$(B)/libtessera-swift-runtime.a: $(RUNTIME_OBJECTS)
	$(call say,archive,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

VERSION = $(shell awk '$$2 == "TESSERA_VERSION" { \
  printf "%d.%d.%d", $$3 / 10000, $$3 / 100 % 100, $$3 % 100 }' $(HEADER))
$(B)/tessera.pc: linker/tessera.pc $(HEADER) Makefile
	@mkdir -p $(@D)
	$(Q)sed 's|@VERSION@|$(VERSION)|;s|@SWIFTFLAGS@|$(strip $(KERNEL_SWIFTFLAGS))|' $< > $@

# The last configuration built is the one under build/ itself, as with kernels. The modules of Swift
# lie beside the C modules that they are made of.
PUBLISHED_OBJECTS := $(addprefix build/,tessera.o libtessera.a libtessera-swift.a \
  libtessera-swift-runtime.a)
PUBLISHED_MODULES := $(patsubst %,build/swift/%.swiftmodule,$(filter-out TesseraC,$(LIBRARY))) \
  $(patsubst Sources/CTessera/include/%,build/swift/%,$(filter-out %/simulated.h, \
  $(wildcard Sources/CTessera/include/*)))
show = @mkdir -p $(@D); cmp -s $< $@ || cp $< $@
$(PUBLISHED_OBJECTS) build/tessera.pc: build/%: $(B)/% FORCE
	$(show)
build/swift/%.swiftmodule: $(B)/%.swiftmodule FORCE
	$(show)
build/swift/%: Sources/CTessera/include/% FORCE
	$(show)
build/include/%: Sources/CTessera/include/% FORCE
	$(show)

.SECONDARY:
.PHONY: FORCE
FORCE:

include Tests/Benchmarks/rules.mk
include Tests/Explorer/rules.mk
include boot/editor.mk

# What people type ---------------------------------------------------------------------------------

# A line that starts with a target's name and has two number signs is its line of help.
.PHONY: help
help: ## print this list
	@awk -F ': .*## ' '/^[a-z-]+:.* ## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  variables: CONFIG=release|debug|check SMP=4 MEM= ACCEL=tcg|kvm ICOUNT='
	@echo '    DISK=512 QEMUFLAGS= PREFIX= PROCESSOR_NUMBER_AT_GS= V=1'
	@echo '  your kernel: ld ... k.o $$(pkg-config --libs tessera), and --cflags for C;'
	@echo '  if in Swift: swiftc -O $$(pkg-config --variable=swiftflags tessera) -c *.swift -o k.o'
	@echo '               ld ... --gc-sections k.o $$(pkg-config --variable=swiftlibrary tessera)'
	@echo '               --variable=swiftruntime, before it, if it has classes or collections'
	@echo '               --variable=swiftchecks has the checks that Tessera itself is compiled with'

# What boot/qemu-run reads.
export SMP MEM ACCEL ICOUNT DISK QEMUFLAGS
run run-iso soak: SMP := $(or $(SMP),4)
run: DISK := $(or $(DISK),$(if $(ICOUNT),0,512))

.PHONY: run
run: doctor-run build/tessera.elf ## build the demo kernel and boot it in QEMU
	$(Q)boot/qemu-run -kernel build/tessera.elf32 $(if $(APPEND),-append "$(APPEND)")

.PHONY: soak
soak: SECONDS := $(or $(SECONDS),60)
soak: doctor-run build/tessera.elf ## run storms and programs for SECONDS=60, and audit all memory
	$(Q)TIMEOUT=$$(($(SECONDS) * 2 + 120)) boot/qemu-run -kernel build/tessera.elf32 \
	  -append "soak=$(SECONDS) $(APPEND)"

.PHONY: map
map: doctor-run build/tessera.elf ## boot it and draw its memory, build/map.svg: pages and frames
	$(Q)boot/map

ARTEFACTS := build/tessera.elf build/tessera.asm build/tessera.sym build/tessera.map
.PHONY: kernel
kernel: $(ARTEFACTS) ## build build/tessera.elf, with disassembly, symbols and map

PUBLISHED_LIBRARY := $(PUBLISHED_OBJECTS) build/include/tessera.h build/tessera.pc \
  $(PUBLISHED_MODULES)
.PHONY: lib
lib: $(PUBLISHED_LIBRARY) ## what other kernels link: build/libtessera.a, header, modules
	@Tests/Artefacts/sizes $(HEADER) build/libtessera.a

# Nothing that is installed names the place, so that the whole may be moved.
INCLUDE = $(DESTDIR)$(PREFIX)/include
LIB = $(DESTDIR)$(PREFIX)/lib
.PHONY: install uninstall
install: lib ## install that under PREFIX=/usr/local, and a file for pkg-config
	$(Q)install -d "$(INCLUDE)" "$(LIB)/pkgconfig" "$(LIB)/tessera"
	$(Q)install -m 644 build/include/tessera.h "$(INCLUDE)"
	$(Q)install -m 644 $(PUBLISHED_OBJECTS) "$(LIB)"
	$(Q)install -m 644 $(PUBLISHED_MODULES) "$(LIB)/tessera"
	$(Q)sed -e 's|^prefix=.*|prefix=$${pcfiledir}/../..|' -e 's|^libdir=.*|libdir=$${prefix}/lib|' \
	  -e 's|^swiftdir=.*|swiftdir=$${libdir}/tessera|' \
	  build/tessera.pc > "$(LIB)/pkgconfig/tessera.pc"
uninstall: ## remove what was installed there
	$(Q)rm -f "$(INCLUDE)/tessera.h" "$(LIB)/pkgconfig/tessera.pc" \
	  $(PUBLISHED_OBJECTS:build/%="$(LIB)/%") $(PUBLISHED_MODULES:build/swift/%="$(LIB)/tessera/%")
	$(Q)[ ! -d "$(LIB)/tessera" ] || rmdir "$(LIB)/tessera"

.PHONY: iso
iso: doctor-iso build/tessera.iso ## make an image that GRUB boots, build/tessera.iso

.PHONY: run-iso
run-iso: doctor-run iso ## boot that image in QEMU
	$(Q)boot/qemu-run -cdrom build/tessera.iso

.PHONY: run-bochs
run-bochs: doctor-bochs iso ## boot that image in Bochs, whose processor has PCID
	$(Q)boot/bochs-run

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

.PHONY: doctor doctor-run doctor-iso doctor-bochs doctor-gdb doctor-test doctor-check doctor-bench
doctor: ## name each missing tool, and install it or print the line that does
	$(Q)boot/doctor run test check iso bochs gdb bench heaps lemmas models
doctor-run doctor-iso doctor-bochs doctor-gdb doctor-test doctor-check doctor-bench: doctor-%:
	$(Q)boot/doctor --quiet $*

# Every module is converted by itself, with its articles, and then put together. tessera.h becomes
# an article. docc cannot copy the templates of a toolchain that belongs to another user, because it
# wants to keep the owner: it gets a copy that belongs to this one.
.PHONY: docs
docs: export DOCC_HTML_DIR := build/render
docs: ## make the documentation of the library, build/docs/index.html
	$(call say,build,.build)
	$(Q)rm -rf build/docs build/symbols build/archives build/catalogs $(DOCC_HTML_DIR)
	$(Q)cp -r $(TOOLCHAIN)/../share/docc/render $(DOCC_HTML_DIR)
	$(Q)mkdir -p build/archives build/catalogs && cp -r Sources/*/*.docc build/catalogs
	$(Q)for picture in $$(find build/catalogs -name '*.svg' ! -name '*~dark.svg'); do \
	  sed -f linker/dark.sed "$$picture" > "$${picture%.svg}~dark.svg" || exit 1; \
	done
	$(Q)awk -f linker/header-page.awk $(HEADER) > build/catalogs/TesseraC.docc/TesseraHeader.md
	$(Q)swift build >build/archives/log 2>&1 || { cat build/archives/log >&2; exit 1; }
	$(Q)for m in $(LIBRARY); do \
	  $(if $(V),,printf '  %-8s %s\n' docc $$m;) mkdir -p build/symbols/$$m && \
	  $(TOOLCHAIN)/swift-symbolgraph-extract -module-name $$m -I .build/debug/Modules \
	    -I Sources/CTessera/include -target $$(uname -m)-unknown-linux-gnu \
	    -minimum-access-level public -skip-synthesized-members -output-dir build/symbols/$$m && \
	  $(TOOLCHAIN)/docc convert build/catalogs/$$m.docc \
	    --additional-symbol-graph-dir build/symbols/$$m --fallback-display-name $$m \
	    --fallback-bundle-identifier tessera.$$m --warnings-as-errors \
	    --transform-for-static-hosting --output-path build/archives/$$m.doccarchive || exit 1; \
	done
	$(Q)$(TOOLCHAIN)/docc merge build/archives/*.doccarchive --output-path build/docs \
	  --synthesized-landing-page-name Tessera
	$(Q)printf '<!doctype html><meta http-equiv="refresh" content="0; url=documentation/">\n' \
	  > build/docs/index.html
	@echo '  to read it: python3 -m http.server -d build/docs, and http://localhost:8000 in a browser'

.PHONY: format
format: ## lay out all Swift sources
	$(Q)swift format format --in-place --recursive --parallel Package.swift Sources Tests

.PHONY: clean
clean: ## remove everything that was built
	$(Q)rm -rf build .build .build-* $(EDITEDFOLDERS:%=%/build)

# `exec`, so that a signal that ends make reaches the script, and not a shell around it alone.
.PHONY: check
check: doctor-check ## format, style rules, proofs, what the built images must not contain
	-$(Q)boot/doctor --quiet lemmas models
	$(Q)exec env MAKE='$(MAKE)' Tests/check-all $(LIBRARY)

.PHONY: test test-long
test: doctor-test doctor-iso ## the tests, here and in QEMU; ends with: N passed, N failed
	$(Q)exec env MAKE='$(MAKE)' Tests/run-all
test-long: doctor-test doctor-iso doctor-bochs ## long random walks, ThreadSanitizer, fuzzing
	$(Q)exec env MAKE='$(MAKE)' Tests/run-long

.PHONY: lemmas
lemmas: ## prove the arithmetic for all 64-bit values, by the solver z3
	-$(Q)boot/doctor --quiet lemmas
	$(Q)Tests/Lemmas/run

.PHONY: models
models: ## check the protocols between processors in all orders, by the model checker Spin
	-$(Q)boot/doctor --quiet models
	$(Q)Tests/Models/run

.PHONY: seeds
seeds: doctor-test ## run each random test with 1,000 seeds, or with SEEDS=count or first..last
	$(Q)SEEDS='$(SEEDS)' Tests/Seeds/run

.PHONY: hobby
hobby: doctor-test lib ## boot small kernels in C, C++, Rust, Zig and Swift that link the library
	$(Q)MAKE='$(MAKE)' Tests/HobbyKernels/run

.PHONY: figures
figures: ## count modules, functions, tests, and calls down to an entry; FIGUREFLAGS=--tsv
	@SWIFTC='$(SWIFTC)' Tests/Figures/run $(FIGUREFLAGS)

.PHONY: coverage
coverage: ## run the host tests and print how much of the library they execute
	@SWIFTC='$(SWIFTC)' Tests/coverage

.PHONY: fuzz
fuzz: ## run each fuzz target for a minute, or for SECONDS=
	$(Q)Tests/Fuzz/run $(SECONDS)

.PHONY: mutants
mutants: doctor-test ## put known mistakes in, one at a time, and see a test fail; MUTANTS=pattern
	$(Q)Tests/Mutants/run
