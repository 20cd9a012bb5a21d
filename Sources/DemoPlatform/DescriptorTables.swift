internal import CBoot
internal import TesseraHardware

/// The descriptor tables of the processor: GDT, TSS and IDT.
///
/// Intel SDM Vol. 3A, "Segment Descriptors", "Task-State Segment (TSS)" and "Interrupt Descriptor
/// Table (IDT)". They are one processor's, and lie in the kernel's .bss.
enum DescriptorTables {
  private static let codeSelector: UInt64 = 0x08
  private static let taskSelector: UInt16 = 0x18

  /// The stack of the TSS that an exception switches to, or 0 for none. These three can occur when
  /// the stack in use is invalid.
  private static func stackIndex(of vector: UInt64) -> UInt64 {
    switch vector {
    case ExceptionVector.doubleFault: 1
    case ExceptionVector.nonMaskableInterrupt: 2
    case ExceptionVector.machineCheck: 3
    default: 0
    }
  }

  /// Fills in the tables and loads them. Exceptions are reported afterwards.
  static func install() {
    fillTaskState()
    fillSegments()
    for vector in 0..<UInt64(256) { fillGate(vector) }

    // SAFETY: both tables are filled in, permanent, and describe the running code.
    unsafe boot_load_segments(
      pointer(boot_segment_table_address()), UInt16(5 * 8 - 1), taskSelector)
    // SAFETY: the table is filled in and permanent; each gate leads to a stub of this image.
    unsafe boot_load_interrupt_table(pointer(boot_interrupt_table_address()), UInt16(256 * 16 - 1))
  }

  private static func fillTaskState() {
    let state = boot_task_state_address()
    store(double_fault_stack_top_address(), at: state + 36, halves: true)
    store(nmi_stack_top_address(), at: state + 44, halves: true)
    store(machine_check_stack_top_address(), at: state + 52, halves: true)
    // No I/O permission map: its offset is the segment's end.
    store(UInt64(104) << 16, at: state + 100, halves: false)
  }

  private static func fillSegments() {
    let table = boot_segment_table_address()
    let state = boot_task_state_address()
    let low = (state & 0xff_ffff) << 16 | (state >> 24 & 0xff) << 56
    store(0, at: table)
    store(0x00af_9b00_0000_ffff, at: table + 8)
    store(0x00cf_9300_0000_ffff, at: table + 16)
    store(low | 0x89 << 40 | 103, at: table + 24)
    store(state >> 32, at: table + 32)
  }

  /// An interrupt gate: the handler starts with interrupts off.
  private static func fillGate(_ vector: UInt64) {
    let handler = boot_interrupt_stubs_address() + vector * 16
    let entry = boot_interrupt_table_address() + vector * 16
    let present: UInt64 = 0x8e00 | stackIndex(of: vector)
    let low = handler & 0xffff | codeSelector << 16 | present << 32 | (handler >> 16 & 0xffff) << 48
    store(low, at: entry)
    store(handler >> 32, at: entry + 8)
  }

  private static func store(_ value: UInt64, at address: UInt64) {
    // SAFETY: an aligned word inside one of the three tables, which only this type writes.
    unsafe pointer(address).storeBytes(of: value, as: UInt64.self)
  }

  /// Stores the lower half, and after it the upper if `halves`: the TSS's fields are not aligned to
  /// eight bytes.
  private static func store(_ value: UInt64, at address: UInt64, halves: Bool) {
    // SAFETY: four-byte words inside the TSS, which only this type writes.
    unsafe pointer(address).storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
    guard halves else { return }
    // SAFETY: the second word is inside the TSS, too.
    unsafe pointer(address + 4).storeBytes(
      of: UInt32(truncatingIfNeeded: value >> 32), as: UInt32.self)
  }

  private static func pointer(_ address: UInt64) -> UnsafeMutableRawPointer {
    // SAFETY: the address of a table of this image, which is never zero.
    unsafe UnsafeMutableRawPointer(bitPattern: UInt(address)).unsafelyUnwrapped
  }
}
