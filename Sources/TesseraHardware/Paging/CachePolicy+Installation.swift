internal import CTessera

extension CachePolicy {
  /// The value of IA32_PAT on the calling processor, or its reset value if there is no PAT.
  package static var installedAttributeTable: UInt64 {
    guard ProcessorFeatures().hasPageAttributeTable else { return resetAttributeTable }
    return hw_read_msr(attributeTableRegister)
  }

  /// The reset value of IA32_PAT, which gives the memory types of a processor without PAT.
  private static var resetAttributeTable: UInt64 { 0x0007_0406_0007_0406 }

  /// Loads IA32_PAT of the calling processor with `attributeTable`.
  ///
  /// Required on every processor before it uses a page that is not write-back. With the table left
  /// at its reset value, write combining is uncacheable, which is slower but correct. The caller
  /// promises that the PAT indices of all pages in use, such as 0, keep their memory type.
  ///
  /// Intel SDM Vol. 3A, "Programming the PAT", which asks for the steps of "MTRR Considerations in
  /// MP Systems".
  @unsafe public static func installAttributeTable() {
    let interrupts = Processor.disableInterrupts()
    let caching = Processor.controlRegister0

    // No cache line may stay under a memory type that its page no longer has. So caches are not
    // filled in between, and caches and TLBs are flushed before and after.
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
