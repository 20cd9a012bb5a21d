import CTessera

/// The MMUs of processors, each of which caches what it has used until a flush, and is accessed by
/// the thread of its processor alone.
///
/// The other MMU of the simulated machine, `SimulatedMMU`, caches everything at once and finds
/// more, but has a lock, which orders the threads that change entries. This one orders nothing, so
/// that what threads do without order is seen as such. A machine has one or the other.
package final class LazyMMUs: @unchecked Sendable {
  private let memory: SimulatedMemory
  /// Whether an access sets the accessed and dirty bits. Not if there are stale translations: an
  /// entry of a table that was freed would change.
  private let setsAccessedAndDirty: Bool
  /// Access: each by the thread of its processor.
  private let processors: UnsafeMutableBufferPointer<LazyTLB>

  /// Creates the MMUs of `machine`, and observes it until they are destroyed.
  package init(of machine: SimulatedMachine, setsAccessedAndDirty: Bool = true) {
    memory = SimulatedMemory(byteCount: UInt64(machine.frameCount) << 12)
    self.setsAccessedAndDirty = setsAccessedAndDirty
    processors = .allocate(capacity: machine.processorCount)
    processors.initialize(repeating: LazyTLB())
    for number in processors.indices {
      processors[number].root = simulated_registers_of(UInt32(number)).pointee.cr3 & LazyTLB.address
    }
    var observer = simulated_observer(
      context: Unmanaged.passUnretained(self).toOpaque(),
      entry_write: { _, _, _, _, _ in },
      frame_free: { _, _, _, _ in },
      control: { context, processor, kind, _, value in
        Unmanaged<LazyMMUs>.fromOpaque(context!).takeUnretainedValue()
          .processors[Int(processor)].note(kind, value)
      },
      user_copy: { _, _, _, _, _, _ in 0 })
    simulated_install_observer(&observer)
  }

  deinit {
    simulated_install_observer(nil)
    processors.deinitialize()
    processors.deallocate()
  }

  /// Returns the physical address that an access of processor `number`, whose thread calls this, to
  /// the page at `page` reaches; nil if it faults.
  package func use(_ page: UInt64, isWrite: Bool, on number: Int) -> UInt64? {
    // The first write of a page that was only read sets the dirty bit, which takes another walk.
    let writing = LazyTLB.writable | (setsAccessedAndDirty ? LazyTLB.dirty : 0)
    if let cached = processors[number].translations[page] {
      if !isWrite || cached & writing == writing { return cached & LazyTLB.address }
      // A page fault flushes the page; the access is tried again.
      processors[number].translations[page] = nil
    }
    while true {
      guard let entryAddress = processors[number].entryAddress(of: page, in: memory) else {
        return nil
      }
      let word = memory.loadBeforeUse(entryAddress)
      let needed: UInt64 = isWrite ? LazyTLB.writable | 1 : 1
      guard word & needed == needed else { return nil }
      if setsAccessedAndDirty,
        !memory.set(isWrite ? 0x60 : 0x20, at: entryAddress, expecting: word)
      {
        continue
      }
      processors[number].translations[page] = isWrite ? word | LazyTLB.dirty : word
      return memory.contains(word & LazyTLB.address) ? word & LazyTLB.address : 0
    }
  }
}

/// What one processor has cached: of small pages, and of the tables that lead to them.
private struct LazyTLB {
  static let address: UInt64 = 0x000f_ffff_ffff_f000
  static let writable: UInt64 = 2
  static let dirty: UInt64 = 0x40

  var root: UInt64 = 0
  /// The entries of pages, by the address of the page.
  var translations: [UInt64: UInt64] = [:]
  /// The addresses of leaf tables, by the first address that they translate.
  private var tables: [UInt64: UInt64] = [:]

  /// Flushes what the instruction flushes.
  mutating func note(_ kind: simulated_control_kind, _ value: UInt64) {
    if kind == simulated_page_invalidation {
      translations[value & Self.address] = nil
    } else {
      if kind == simulated_cr3_write { root = value & Self.address }
      translations.removeAll(keepingCapacity: true)
    }
    tables.removeAll(keepingCapacity: true)
  }

  /// Returns the address of the entry of the page at `page`; nil if no table leads there.
  mutating func entryAddress(of page: UInt64, in memory: SimulatedMemory) -> UInt64? {
    let start = page & ~0x1f_ffff
    var table = tables[start] ?? root
    if tables[start] == nil {
      for shift in [39, 30, 21] as [UInt64] {
        let word = memory.loadBeforeUse(table + (page >> shift & 511) << 3)
        guard word & 1 != 0, memory.contains(word & Self.address) else { return nil }
        table = word & Self.address
      }
      tables[start] = table
    }
    return table + (page >> 12 & 511) << 3
  }
}
