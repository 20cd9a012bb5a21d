internal import CBoot
public import TesseraHardware

/// The addresses of the running kernel's image.
public enum KernelImage {
  /// The difference between virtual and physical addresses of the image.
  private static let base: UInt64 = 0xffff_ffff_8000_0000

  /// The physical address of the byte of the image at the virtual `address`.
  static func physicalAddress(of address: UInt64) -> UInt64 { address - base }

  /// The image, from its first loaded byte to the end of the last stack.
  public static var physicalRange: Range<PhysicalAddress> {
    let start = PhysicalAddress(kernel_image_start_address() - base)
    return start..<PhysicalAddress(kernel_end_address() - base)
  }

  /// The code and the constants, which are never written.
  public static var readOnlyPhysicalRange: Range<PhysicalAddress> {
    PhysicalAddress(text.lowerBound - base)..<PhysicalAddress(constants.upperBound - base)
  }

  /// The boot code's page tables that are unused once the kernel runs on its own: the root, and
  /// those of the boot code's direct map.
  static var bootTables: Range<PhysicalAddress> {
    let start = PhysicalAddress(kernel_boot_tables_start_address() - base)
    return start..<PhysicalAddress(kernel_boot_tables_end_address() - base)
  }

  /// The virtual addresses of the code: readable and executable.
  public static var text: Range<UInt64> { kernel_text_start_address()..<kernel_text_end_address() }

  /// The part of the code that is the library's, but for what was inlined elsewhere.
  static var tesseraText: Range<UInt64> {
    kernel_text_start_address()..<kernel_tessera_text_end_address()
  }

  /// The virtual addresses of the constants: readable.
  public static var constants: Range<UInt64> {
    kernel_rodata_start_address()..<kernel_rodata_end_address()
  }

  /// The virtual addresses of the variables and the stacks: readable and writable, but for
  /// the guard pages.
  public static var variables: Range<UInt64> { kernel_data_start_address()..<kernel_end_address() }

  /// The stack the kernel starts on.
  public static var stack: Range<UInt64> { kernel_stack_address()..<kernel_stack_top_address() }

  /// The name of the stack whose guard page holds `address`, if there is one.
  static func stackOverflowed(at address: UInt64) -> StaticString? {
    func isGuard(_ start: UInt64) -> Bool { address >= start && address - start < 4096 }
    if isGuard(kernel_stack_guard_address()) { return "kernel_stack" }
    if isGuard(double_fault_stack_guard_address()) { return "double_fault_stack" }
    if isGuard(nmi_stack_guard_address()) { return "nmi_stack" }
    if isGuard(machine_check_stack_guard_address()) { return "machine_check_stack" }
    return ProcessorRecord.current.stackOverflowed(at: address)
  }
}
