internal import CTessera

extension Processor {
  /// Makes the no-execute bit of entries count (EFER.NXE), which is reserved otherwise.
  ///
  /// The processor has it. Intel SDM Vol. 3A, "Paging", "Access Rights".
  @unsafe package static func enableNoExecute() {
    let value = hw_read_msr(extendedFeatures)
    if value & noExecuteEnable == 0 {
      hw_write_msr(extendedFeatures, value | noExecuteEnable)
    }
  }

  /// Makes read-only pages read-only for the kernel too (CR0.WP).
  @unsafe package static func enableWriteProtection() {
    let value = hw_read_cr0()
    if value & writeProtect == 0 { hw_write_cr0(value | writeProtect) }
  }

  /// Makes global pages outlive a change of root (CR4.PGE).
  @unsafe package static func enableGlobalPages() {
    let value = hw_read_cr4()
    if value & globalPages == 0 { hw_write_cr4(value | globalPages) }
  }

  private static var extendedFeatures: UInt32 { 0xc000_0080 }
  private static var noExecuteEnable: UInt64 { 1 << 11 }
  private static var writeProtect: UInt64 { 1 << 16 }
  private static var globalPages: UInt64 { 1 << 7 }
}
