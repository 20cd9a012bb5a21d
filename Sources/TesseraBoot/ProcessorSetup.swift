internal import TesseraHardware

/// The features that every processor turns on before it uses Tessera's page tables.
enum ProcessorSetup {
  /// Whether IA32_PAT was programmed on the first processor.
  ///
  /// Access: written by `installMemoryTypes` on the first processor, constant afterwards.
  nonisolated(unsafe) private static var isAttributeTableInstalled = false

  /// Checks that a further processor can use the page tables that the first one made.
  ///
  /// SMEP and SMAP are not compared: Tessera reads CR4 where it matters. Nor are global pages:
  /// without them every load of CR3 flushes everything.
  static func check(_ features: ProcessorFeatures) throws(BootError) {
    let mode = PagingMode.current
    let own = PagingMode(features, controlRegister4: Processor.controlRegister4)
    guard own.rootLevel == mode.rootLevel else { throw .differentPagingLevels }
    guard own.hasNoExecute else { throw .processorWithoutNoExecute }
    guard own.hasOneGiBPages || !mode.hasOneGiBPages else { throw .processorWithoutOneGiBPages }
    guard own.physicalAddressLimit >= mode.physicalAddressLimit else {
      throw .narrowerPhysicalAddresses
    }
    // SAFETY: constant once a second processor runs.
    guard unsafe features.hasPageAttributeTable == isAttributeTableInstalled else {
      throw .differentMemoryTypes
    }
  }

  /// What must be on before the kernel's root is loaded: the no-execute bit, which is reserved in
  /// entries otherwise (EFER.NXE), write protection in the kernel (CR0.WP), and global pages.
  static func enableProtections(_ features: ProcessorFeatures) {
    // SAFETY: no entry in use has bit 63 set for another purpose.
    unsafe Processor.enableNoExecute()
    // SAFETY: starting Tessera asks for it.
    unsafe Processor.enableWriteProtection()
    // SAFETY: global translations survive a load of CR3; TLB flushes take that into account.
    if features.hasGlobalPages { unsafe Processor.enableGlobalPages() }
  }

  /// What must wait until the kernel's root is loaded: IA32_PAT, by which `CachePolicy` numbers
  /// memory types.
  static func installMemoryTypes(_ features: ProcessorFeatures) {
    // SAFETY: written before a second processor runs, and never changed by one that passed the
    // check.
    unsafe isAttributeTableInstalled = features.hasPageAttributeTable
    guard features.hasPageAttributeTable else { return }
    // SAFETY: the tables in use are Tessera's, or were converted for this table.
    unsafe CachePolicy.installAttributeTable()
  }
}
