internal import CBoot
internal import TesseraHardware

/// The descriptor tables of the processors: a GDT and a TSS for each, and one IDT for all.
///
/// Intel SDM Vol. 3A, "Segment Descriptors", "Task-State Segment (TSS)" and "Interrupt Descriptor
/// Table (IDT)". They lie in the kernel's .bss.
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

  /// The stacks that exceptions switch to, by their highest addresses.
  struct ExceptionStacks {
    let doubleFault, nonMaskableInterrupt, machineCheck: UInt64
  }

  /// Fills in the tables of the first processor, and the IDT of all, and loads them. Exceptions are
  /// reported afterwards.
  static func install() {
    for vector in 0..<UInt64(256) { fillGate(vector) }
    install(
      for: ProcessorRecord(0),
      ExceptionStacks(
        doubleFault: double_fault_stack_top_address(),
        nonMaskableInterrupt: nmi_stack_top_address(),
        machineCheck: machine_check_stack_top_address()))
  }

  /// Fills in the GDT and the TSS in `record`, and loads them on the calling processor, with the
  /// IDT of all. Its number can be read afterwards.
  static func install(for record: ProcessorRecord, _ stacks: ExceptionStacks) {
    record[.number] = UInt64(record.number)
    fillTaskState(at: record.taskState, stacks)
    fillSegments(at: record.segmentTable, taskState: record.taskState)

    // SAFETY: both tables are filled in, permanent, and describe the running code.
    unsafe boot_load_segments(pointer(record.segmentTable), UInt16(7 * 8 - 1), taskSelector)
    boot_write_msr(segmentBaseRegister, record.address)
    // Those of programs: what the firmware left there is none of their business.
    boot_write_msr(exchangedBaseRegister, 0)
    boot_write_msr(threadBaseRegister, 0)
    // SAFETY: the table is filled in and permanent; each gate leads to a stub of this image.
    unsafe boot_load_interrupt_table(pointer(boot_interrupt_table_address()), UInt16(256 * 16 - 1))
  }

  /// IA32_GS_BASE.
  private static var segmentBaseRegister: UInt32 { 0xc000_0101 }

  /// IA32_KERNEL_GS_BASE: what SWAPGS exchanges the base of GS with.
  private static var exchangedBaseRegister: UInt32 { 0xc000_0102 }

  /// IA32_FS_BASE.
  private static var threadBaseRegister: UInt32 { 0xc000_0100 }

  private static func fillTaskState(at state: UInt64, _ stacks: ExceptionStacks) {
    store(stacks.doubleFault, at: state + 36, halves: true)
    store(stacks.nonMaskableInterrupt, at: state + 44, halves: true)
    store(stacks.machineCheck, at: state + 52, halves: true)
    // No I/O permission map: its offset is the segment's end.
    store(UInt64(104) << 16, at: state + 100, halves: false)
  }

  private static func fillSegments(at table: UInt64, taskState state: UInt64) {
    let low = (state & 0xff_ffff) << 16 | (state >> 24 & 0xff) << 56
    store(0, at: table)
    store(0x00af_9b00_0000_ffff, at: table + 8)
    store(0x00cf_9300_0000_ffff, at: table + 16)
    store(low | 0x89 << 40 | 103, at: table + 24)
    store(state >> 32, at: table + 32)
    // Data and code of the privilege level 3.
    store(0x00cf_f300_0000_ffff, at: table + UInt64(USER_DATA_SELECTOR & ~7))
    store(0x00af_fb00_0000_ffff, at: table + UInt64(USER_CODE_SELECTOR & ~7))
  }

  /// An interrupt gate: the handler starts with interrupts off. A program may use the one for
  /// system calls.
  private static func fillGate(_ vector: UInt64) {
    let handler = boot_interrupt_stubs_address() + vector * 16
    let entry = boot_interrupt_table_address() + vector * 16
    let privilege: UInt64 = vector == InterruptVector.systemCall ? 3 << 13 : 0
    let present = 0x8e00 | privilege | stackIndex(of: vector)
    let low = handler & 0xffff | codeSelector << 16 | present << 32 | (handler >> 16 & 0xffff) << 48
    store(low, at: entry)
    store(handler >> 32, at: entry + 8)
  }

  private static func store(_ value: UInt64, at address: UInt64) {
    // SAFETY: an aligned word inside one of the tables, which only this type writes.
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
