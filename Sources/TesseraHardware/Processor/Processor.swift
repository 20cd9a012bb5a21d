internal import CTessera

/// Instructions of the processor that runs the caller.
public enum Processor {
  /// The number of the calling processor, from zero; what the kernel's
  /// `tessera_host_processor_id` answers.
  @inline(__always)
  public static var current: Int { Int(truncatingIfNeeded: hw_processor_id()) }

  /// Turns interrupts off (CLI) and says whether they were on.
  @inline(__always)
  package static func disableInterrupts() -> Bool { hw_disable_interrupts() }

  /// Turns interrupts on (STI) if `enabled`.
  @inline(__always)
  package static func restoreInterrupts(_ enabled: Bool) { hw_restore_interrupts(enabled) }

  /// Says that the caller spins (PAUSE).
  @inline(__always)
  public static func pause() { hw_pause() }

  /// Stops this processor for good, with interrupts off.
  public static func halt() -> Never { hw_halt_forever() }

  /// The time-stamp counter, read once everything before it is done.
  public static var timestamp: UInt64 { hw_read_timestamp() }

  /// Stores `value` in each of `count` words from `destination` on (REP STOSQ).
  ///
  /// The caller owns those `8 * count` bytes.
  @inline(__always)
  @unsafe package static func fill(
    _ destination: UnsafeMutableRawPointer, with value: UInt64, count: Int
  ) {
    unsafe hw_fill_words(destination, value, count)
  }
}

extension Processor {
  /// The four registers that CPUID leaves (Intel SDM Vol. 2A, "CPUID").
  public struct Identification: Sendable {
    public let eax, ebx, ecx, edx: UInt32
  }

  public static func identification(leaf: UInt32, subleaf: UInt32 = 0) -> Identification {
    let result = hw_cpuid(leaf, subleaf)
    return Identification(eax: result.eax, ebx: result.ebx, ecx: result.ecx, edx: result.edx)
  }
}

extension Processor {
  /// CR0: protected mode, write protection, paging.
  public static var controlRegister0: UInt64 { hw_read_cr0() }

  /// CR2: the address of the last page fault.
  public static var faultAddress: UInt64 { hw_read_cr2() }

  /// CR3: the root of the page tables, with its flags.
  public static var rootRegister: UInt64 { hw_read_cr3() }

  /// CR4: which features of the processor are on.
  public static var controlRegister4: UInt64 { hw_read_cr4() }

  /// Loads CR3, which also removes this processor's cached translations that are not global.
  ///
  /// The caller promises that the tables at `value` map the code that runs, its stack and its data.
  @unsafe public static func loadRootRegister(_ value: UInt64) { hw_write_cr3(value) }

  /// Loads CR4. The caller promises that no bit takes away what the running kernel stands on.
  @unsafe public static func loadControlRegister4(_ value: UInt64) { hw_write_cr4(value) }

  public static func modelSpecificRegister(_ number: UInt32) -> UInt64 { hw_read_msr(number) }
}

extension Processor {
  /// Where the processor finds descriptors, and how many bytes of them there are, less one.
  public struct DescriptorTable: Sendable {
    public let base: UInt64
    public let limit: UInt16
  }

  /// The table of segments (SGDT).
  public static var segmentTable: DescriptorTable {
    let table = hw_segment_table()
    return DescriptorTable(base: table.base, limit: table.limit)
  }

  /// The table of interrupts' gates (SIDT).
  public static var interruptTable: DescriptorTable {
    let table = hw_interrupt_table()
    return DescriptorTable(base: table.base, limit: table.limit)
  }

  /// An address of the stack that the caller runs on.
  public static var stackPointer: UInt64 { hw_stack_pointer() }

  /// An address of the code that the caller runs.
  public static var instructionPointer: UInt64 { hw_instruction_pointer() }
}

extension Processor {
  /// Writes a byte to an I/O port (OUT).
  ///
  /// The caller knows what the device behind the port does with it.
  @unsafe public static func write(_ byte: UInt8, toPort port: UInt16) {
    hw_write_port8(port, byte)
  }

  /// Writes four bytes to an I/O port (OUT). As for a byte.
  @unsafe public static func write(_ word: UInt32, toPort port: UInt16) {
    hw_write_port32(port, word)
  }

  /// Reads a byte from an I/O port (IN). As for writing.
  @unsafe public static func readByte(fromPort port: UInt16) -> UInt8 { hw_read_port8(port) }
}

extension Processor {
  /// Whether the next allocation is to fail. Never so outside a simulated machine.
  @inline(__always)
  package static var refusesAllocation: Bool { hw_allocation_is_refused() }

  /// Whether freed frames are filled with a pattern that is checked when they are allocated.
  @inline(__always)
  package static var poisonsFrames: Bool { hw_frames_are_poisoned() }
}

extension Processor {
  /// Removes what this processor has cached of the page at `address`, of whatever size, and its
  /// cached entries of higher levels (INVLPG).
  @inline(__always)
  package static func invalidatePage(at address: UInt64) { hw_invalidate_page(address) }

  /// Removes all that this processor has cached of translations; global ones only if `alsoGlobal`.
  package static func invalidateAll(alsoGlobal: Bool) {
    let features = hw_read_cr4()
    if alsoGlobal && features & globalPagesBit != 0 {
      // Changing the bit removes everything (Intel SDM Vol. 3A, "Operations that Invalidate TLBs
      // and Paging-Structure Caches").
      hw_write_cr4(features & ~globalPagesBit)
      hw_write_cr4(features)
    } else {
      hw_write_cr3(hw_read_cr3())
    }
  }

  /// CR4.PGE.
  private static var globalPagesBit: UInt64 { 1 << 7 }
}

extension Processor {
  /// Tells a simulated machine that entry `index` of the table at `table` was written. Nothing on a
  /// real one.
  @inline(__always)
  package static func noteEntryWrite(
    at table: @autoclosure () -> PhysicalAddress, index: Int, old: UInt64, new: UInt64
  ) {
    guard hw_is_observed() else { return }
    let table = table()
    hw_note_entry_write(table.rawValue &+ UInt64(truncatingIfNeeded: index) &* 8, old, new)
  }

  /// Tells a simulated machine that nobody owns the `byteCount` bytes of memory from `address` on
  /// any more. Nothing on a real one.
  @inline(__always)
  package static func noteFrameFree(at address: PhysicalAddress, byteCount: UInt64) {
    hw_note_frame_free(address.rawValue, byteCount)
  }

  /// Whether more is to be done with a freed frame than to free it: `noteFrameFree`, or poisoning.
  @inline(__always)
  package static var watchesFreeFrames: Bool {
    hw_is_observed() || hw_frames_are_poisoned()
  }
}
