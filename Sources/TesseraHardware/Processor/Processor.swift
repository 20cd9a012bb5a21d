internal import CTessera

/// Instructions of the calling processor.
public enum Processor {
  /// The number of the calling processor, from zero; what the kernel's
  /// `tessera_host_processor_id` returns.
  @inline(__always)
  public static var current: Int { Int(truncatingIfNeeded: hw_processor_id()) }

  /// Disables interrupts (CLI) and returns whether they were enabled.
  @inline(__always)
  package static func disableInterrupts() -> Bool { hw_disable_interrupts() }

  /// Enables interrupts (STI) if `enabled`.
  @inline(__always)
  package static func restoreInterrupts(_ enabled: Bool) { hw_restore_interrupts(enabled) }

  /// Tells the processor that the caller spins (PAUSE).
  @inline(__always)
  public static func pause() { hw_pause() }

  /// The numbers of processors are below this.
  @inline(__always)
  public static var limit: Int { 512 }

  /// Has the kernel interrupt `processors`, a set of `group`, whose handler answers what other
  /// processors ask.
  package static func interrupt(_ processors: ProcessorSet, group: Int) {
    hw_interrupt_processors(
      processors.rawValue, UInt32(truncatingIfNeeded: group * ProcessorSet.groupSize))
  }

  /// Halts this processor permanently, with interrupts disabled.
  public static func halt() -> Never { hw_halt_forever() }

  /// The time-stamp counter, read once all earlier instructions have completed.
  public static var timestamp: UInt64 { hw_read_timestamp() }

  /// Whether the aligned word at `place` is `value`, by one instruction. An acquiring load.
  ///
  /// The caller promises that the word is one that is accessed atomically.
  @inline(__always)
  @unsafe package static func isWord(at place: UnsafeRawPointer, equalTo value: UInt64) -> Bool {
    unsafe hw_word_equals(place, value)
  }

  /// Stores `value` in `count` words starting at `destination` (REP STOSQ).
  ///
  /// The caller promises that it owns those `8 * count` bytes.
  @inline(__always)
  @unsafe package static func fill(
    _ destination: UnsafeMutableRawPointer, with value: UInt64, count: Int
  ) {
    unsafe hw_fill_words(destination, value, count)
  }

  /// Copies `count` words from `source` to `destination`.
  ///
  /// The caller promises that both are memory, do not overlap, and that it owns the destination.
  @inline(__always)
  @unsafe static func copyWords(
    from source: UnsafeMutableRawPointer, to destination: UnsafeMutableRawPointer, count: Int
  ) {
    unsafe hw_copy_words(destination, source, count)
  }
}

extension Processor {
  /// The four registers that CPUID sets (Intel SDM Vol. 2A, "CPUID").
  public struct Identification: Sendable {
    public let eax, ebx, ecx, edx: UInt32
  }

  public static func identification(leaf: UInt32, subleaf: UInt32 = 0) -> Identification {
    let result = hw_cpuid(leaf, subleaf)
    return Identification(eax: result.eax, ebx: result.ebx, ecx: result.ecx, edx: result.edx)
  }
}

extension Processor {
  /// The base of a descriptor table, and its size in bytes minus one.
  public struct DescriptorTable: Sendable {
    public let base: UInt64
    public let limit: UInt16
  }

  /// The global descriptor table (SGDT).
  public static var segmentTable: DescriptorTable {
    let table = hw_segment_table()
    return DescriptorTable(base: table.base, limit: table.limit)
  }

  /// The interrupt descriptor table (SIDT).
  public static var interruptTable: DescriptorTable {
    let table = hw_interrupt_table()
    return DescriptorTable(base: table.base, limit: table.limit)
  }

  /// The selector of the running task's descriptor in the GDT (STR); zero if there is none.
  package static var taskSelector: UInt16 { hw_task_selector() }

  /// Returns the eight bytes at the virtual `address`, or nil if reading them faults.
  ///
  /// For addresses that the kernel has only told of. The kernel's own page-fault handler is not
  /// called, and an NMI meanwhile is lost. Requires a valid GDT and stack.
  @inline(never)
  package static func tryReadWord(at address: UInt64) -> UInt64? {
    let interrupts = disableInterrupts()
    defer { restoreInterrupts(interrupts) }
    var value: UInt64 = 0
    // SAFETY: `value` is eight bytes; a fault at `address` is recovered.
    return unsafe hw_try_read_word(address, &value) ? value : nil
  }

  /// The address of the caller's stack.
  public static var stackPointer: UInt64 { hw_stack_pointer() }

  /// Where the caller's function returns to, if it is not inlined into another.
  @inline(__always)
  package static var returnAddress: UInt64 { hw_return_address() }

  /// The address of the caller's code.
  public static var instructionPointer: UInt64 { hw_instruction_pointer() }
}

extension Processor {
  /// Writes a byte to an I/O port (OUT).
  ///
  /// The caller promises that the effect on the device is safe.
  @unsafe public static func write(_ byte: UInt8, toPort port: UInt16) {
    hw_write_port8(port, byte)
  }

  /// Writes four bytes to an I/O port (OUT). The caller promises what it does for a byte.
  @unsafe public static func write(_ word: UInt32, toPort port: UInt16) {
    hw_write_port32(port, word)
  }

  /// Reads a byte from an I/O port (IN). The caller promises what it does for a write.
  @unsafe public static func readByte(fromPort port: UInt16) -> UInt8 { hw_read_port8(port) }
}

extension Processor {
  /// Flushes this processor's translation of the page at `address`, of whatever size, and its
  /// cached entries of higher levels (INVLPG).
  @inline(__always)
  package static func invalidatePage(at address: UInt64) { hw_invalidate_page(address) }

  /// Flushes all translations of this processor under the running process-context identifier; with
  /// `alsoGlobal`, global ones, and those under all other identifiers, too.
  package static func invalidateAll(alsoGlobal: Bool) {
    let features = controlRegister4
    if alsoGlobal && features.contains(.processContextIdentifiers) && invalidatesContextsAtOnce {
      hw_invalidate_all_contexts()
    } else if alsoGlobal && features.contains(.globalPages) {
      // Changing the bit flushes everything (Intel SDM Vol. 3A, "Operations that Invalidate TLBs
      // and Paging-Structure Caches").
      hw_write_cr4(features.subtracting(.globalPages).rawValue)
      hw_write_cr4(features.rawValue)
    } else {
      hw_write_cr3(hw_read_cr3())
    }
  }
}
