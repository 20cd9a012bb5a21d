internal import TesseraHardware

/// The features that every processor turns on before it uses Tessera's page tables.
enum ProcessorSetup {
  /// Turns all of them on, on a further processor.
  static func run() {
    let features = ProcessorFeatures()
    enableProtections(features)
    installMemoryTypes(features)
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
    guard features.hasPageAttributeTable else { return }
    // SAFETY: the tables in use are Tessera's, or were converted for this table.
    unsafe CachePolicy.installAttributeTable()
  }
}
