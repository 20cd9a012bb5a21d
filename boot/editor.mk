# What sourcekit-lsp needs for the Swift that Package.swift does not list, because only make
# compiles it: interfaces of the modules below, and how each file is compiled. Included by the
# Makefile.

# Interfaces are made without code, in seconds, and whatever the state of the code above them is.
EDITOR := build/editor
EDITORMODULES := $(filter-out TesseraC,$(SHARED)) Scenarios
EDITORFLAGS = -Onone \
  $(subst $(B),$(EDITOR)/swift,$(filter-out $(SWIFTFLAGS_$(CONFIG)),$(SWIFTFLAGS)))

# The modules of the files, and a folder with a Makefile of its own.
EDITED := DemoPlatform DemoKernel GuestSuite
EDITEDKERNEL := Tests/HobbyKernels/swift
EDITEDFOLDERS := $(foreach m,$(EDITED),$(call folder,$m)) $(EDITEDKERNEL)

# interface NAME, MODULES BELOW: as `module` in the Makefile.
define interface
$(EDITOR)/$(1).files: FORCE
	$$(call remember,'$$(call sources,$(1))' '$$(SWIFTC) $$(EDITORFLAGS)')
$(EDITOR)/swift/$(1).swiftmodule: $(EDITOR)/$(1).files $$(call sources,$(1)) $(HEADERS) \
    $(2:%=$(EDITOR)/swift/%.swiftmodule)
	$$(call say,swiftc,$(1) for editors)
	$(Q)mkdir -p $$(@D)
	$(Q)$$(SWIFTC) $$(EDITORFLAGS) -Xfrontend -experimental-skip-all-function-bodies \
	  -module-name $(1) -emit-module -emit-module-path $$@ $$(call sources,$(1))
	@touch $$@
endef
interfaces = $(if $(2),$(eval $(call interface,$(firstword $(2)),$(1)))$(call \
  interfaces,$(1) $(firstword $(2)),$(wordlist 2,99,$(2))))
$(call interfaces,,$(EDITORMODULES))

.PHONY: editor
editor: $(EDITORMODULES:%=$(EDITOR)/swift/%.swiftmodule) ## let sourcekit-lsp know all Swift code
	$(Q)$(foreach m,$(EDITED),boot/compile-commands $(call folder,$m) . \
	  '$(SWIFTC) $(EDITORFLAGS) -module-name $m $(call sources,$m)' $(call sources,$m) &&) \
	boot/compile-commands $(EDITEDKERNEL) $(EDITEDKERNEL) "$$($(MAKE) --no-print-directory -s \
	  -C $(EDITEDKERNEL) command TESSERA=../../../$(EDITOR)) -I ../../../Sources/CTessera/include" \
	  $(notdir $(wildcard $(EDITEDKERNEL)/*.swift))
