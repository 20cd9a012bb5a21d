internal import Synchronization
internal import TesseraFrames
package import TesseraHardware

/// The root of the page tables that each processor runs on, in a word for each.
///
/// Who has changed entries asks the processors that may have cached them. Those of the first group
/// are in a set in the root (`PageTableNode.setActive`), so that they are found at once, however
/// many there are. There is no room for more, so the words of all others are read:
///
///     processor              word written with the new root, and that it is switching;
///                            CR3 loaded; word written with the new root alone
///     who changes entries    entries written; locked instruction; words read
///
/// The first write is a locked instruction, too. So either the processor is found, or it sees the
/// entries. While it switches it is taken to run on any root: on the old one, which it may still
/// use, and on the new one.
///
/// | Bits    | Meaning                                           |
/// |---------|---------------------------------------------------|
/// | 0       | a processor has this number                       |
/// | 1       | it answers requests                               |
/// | 2       | it is switching                                   |
/// | 63...12 | the address of its root; 0 = none                 |
package enum ActiveRoots {
  // SAFETY: words of zero are those of numbers that no processor has, and are atomic.
  private static let words = StaticStorage<Atomic<UInt64>>()

  private static var isClaimed: UInt64 { 1 << 0 }
  private static var answers: UInt64 { 1 << 1 }
  private static var isSwitching: UInt64 { 1 << 2 }

  /// The words, one for each number below `Processor.limit`.
  @inline(__always)
  @unsafe private static var start: UnsafeMutablePointer<Atomic<UInt64>> { unsafe words.start }

  private static func value(of processor: Int) -> UInt64 {
    guard processor < Processor.limit else { return 0 }
    // SAFETY: in bounds.
    // Ordering: acquiring, pairs with the stores of the processor: what it has read by way of a
    // root that it has left, or before it was removed, it has read before.
    return unsafe start[processor].load(ordering: .acquiring)
  }

  private static func store(_ value: UInt64, of processor: Int) {
    require(processor < Processor.limit, "processor number is above 511")
    // SAFETY: in bounds.
    // Ordering: releasing, pairs with the loads in `value(of:)` and `claim`.
    unsafe start[processor].store(value, ordering: .releasing)
  }

  /// As `store`, before what follows in the order of the program.
  private static func exchange(_ value: UInt64, of processor: Int) {
    require(processor < Processor.limit, "processor number is above 511")
    // SAFETY: in bounds.
    // Ordering: sequentially consistent, pairs with `PageTableNode.activeProcessorsAfterWrites` and
    // `advanceVersion`, and with the fence in `TLBShootdown.flushKernel`: either the writer of an
    // entry finds the processor, or that sees the entry.
    _ = unsafe start[processor].exchange(value, ordering: .sequentiallyConsistent)
  }
}

// What the processor itself does. Each function is called with interrupts off.
extension ActiveRoots {
  /// Claims the number `processor`, which is below the limit. Returns false if it is in use.
  package static func claim(_ processor: Int) -> Bool {
    require(processor < Processor.limit, "processor number is above 511")
    // SAFETY: in bounds.
    // Ordering: acquiring, pairs with the store in `release`: what belongs to the number is as the
    // processor that had it before left it. Of two processors with one number, one wins.
    return unsafe start[processor].compareExchange(
      expected: 0, desired: isClaimed, ordering: .acquiring
    ).exchanged
  }

  /// Gives the number `processor` up.
  package static func release(_ processor: Int) { store(0, of: processor) }

  /// Has `processor`, which has claimed its number, asked for flushes of kernel pages.
  static func add(_ processor: Int) { exchange(isClaimed | answers, of: processor) }

  /// Has `processor` asked for nothing from now on. Its root stays.
  static func remove(_ processor: Int) { store(value(of: processor) & ~answers, of: processor) }

  /// Has `processor` asked for flushes of the tables under all roots, until `endSwitch`: it is
  /// about to load the one at `root`.
  package static func beginSwitch(to root: PhysicalAddress, on processor: Int) {
    exchange(root.rawValue | isClaimed | answers | isSwitching, of: processor)
  }

  /// Notes that `processor` uses no root but that at `root` any more.
  package static func endSwitch(to root: PhysicalAddress, on processor: Int) {
    store(root.rawValue | isClaimed | answers, of: processor)
  }

  /// Forgets all processors. Called while no other runs.
  package static func reset() {
    for processor in 0..<Processor.limit { store(0, of: processor) }
  }
}

extension ActiveRoots {
  /// The address of the root that `processor` runs on; nil if its number is not in use.
  package static func rootAddress(of processor: Int) -> PhysicalAddress? {
    let value = value(of: processor)
    return value == 0 ? nil : PhysicalAddress(unchecked: value & ~0xfff)
  }

  /// Whether `processor` runs on the tables under the root at `address`.
  @inline(__always)
  static func isActive(_ address: PhysicalAddress, on processor: Int) -> Bool {
    isOn(address.rawValue, value(of: processor))
  }

  /// Whether `processor` answers requests.
  static func answers(_ processor: Int) -> Bool { value(of: processor) & answers != 0 }

  /// The processors of `group`, not the first, that may use the tables under the root at `address`.
  static func processors(on address: UInt64, group: Int) -> ProcessorSet {
    select(group: group) { isOn(address, $0) }
  }

  /// The processors of `group` that answer requests.
  static func answeringProcessors(group: Int) -> ProcessorSet {
    select(group: group) { $0 & answers != 0 }
  }

  @inline(__always)
  private static func isOn(_ address: UInt64, _ value: UInt64) -> Bool {
    value & (~0xfff | isClaimed) == address | isClaimed || value & isSwitching != 0
  }

  @inline(__always)
  private static func select(group: Int, _ isSelected: (UInt64) -> Bool) -> ProcessorSet {
    var set = ProcessorSet()
    let first = group * ProcessorSet.groupSize
    let end = min(first + ProcessorSet.groupSize, FrameAllocator.processorCount)
    for processor in first..<max(first, end) where isSelected(value(of: processor)) {
      set.insert(processor)
    }
    return set
  }
}
