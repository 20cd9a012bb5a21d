internal import CTessera

extension CachePolicy {
  /// What IA32_PAT holds on the calling processor, or what a processor without one always does.
  package static var installedAttributeTable: UInt64 {
    guard ProcessorFeatures().hasPageAttributeTable else { return resetAttributeTable }
    return hw_read_msr(attributeTableRegister)
  }

  /// What IA32_PAT holds after a reset: as if there were none.
  private static var resetAttributeTable: UInt64 { 0x0007_0406_0007_0406 }

  /// Makes entries mean on the calling processor what this module says, by loading IA32_PAT.
  ///
  /// Every processor needs it, before it uses a page that is not written back. A processor whose
  /// PAT is fixed keeps it: write combining is then uncacheable, which is slower and as correct.
  /// The caller promises that all pages in use have an index that means the same before and after,
  /// as 0 does.
  ///
  /// Intel SDM Vol. 3A, "Programming the PAT", which asks for the steps of "MTRR Considerations in
  /// MP Systems".
  @unsafe public static func installAttributeTable() {
    let interrupts = Processor.disableInterrupts()
    let caching = Processor.controlRegister0

    // Nothing may be in the caches under a policy that it no longer has. So none are filled
    // meanwhile, and they and the translations are emptied before and after.
    hw_write_cr0(caching.subtracting(.notWriteThrough).union(.cacheDisable).rawValue)
    hw_flush_caches()
    Processor.invalidateAll(alsoGlobal: true)
    hw_write_msr(attributeTableRegister, attributeTable)
    hw_flush_caches()
    Processor.invalidateAll(alsoGlobal: true)
    hw_write_cr0(caching.rawValue)
    Processor.restoreInterrupts(interrupts)
  }
}
