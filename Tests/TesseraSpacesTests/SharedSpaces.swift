import Synchronization
import Tessera
import TesseraHardware

/// Address spaces that several threads use while any of them replaces one, as a kernel's table of
/// processes.
///
/// Who replaces a space waits until it has no users. Users do not wait, and are ordered with each
/// other by nothing that is here.
final class SharedSpaces: @unchecked Sendable {
  /// The state of a page. Access: under a cursor over the page, or by who replaces the space.
  struct Page {
    var version = 0
    var state = PageHistory.State()
  }

  static let pageCount = 24

  private final class Slot {
    /// The generation, whether the space is being replaced, and the number of users.
    let word = Atomic<UInt64>(0)
    /// The generation whose space is there.
    let published = Atomic<UInt64>(0)
    let space: UnsafeMutablePointer<VmSpace>
    let pages: UnsafeMutableBufferPointer<Page>

    init() throws {
      space = .allocate(capacity: 1)
      space.initialize(to: try VmSpace())
      pages = .allocate(capacity: SharedSpaces.pageCount)
      pages.initialize(repeating: Page())
    }

    deinit {
      space.deinitialize(count: 1)
      space.deallocate()
      pages.deallocate()
    }
  }

  private static let replaced: UInt64 = 1 << 31
  private let slots: [Slot]

  init(_ count: Int) throws { slots = try (0..<count).map { _ in try Slot() } }

  var count: Int { slots.count }

  /// The address of a page: eight in each of three leaf tables, one of which has a parent of its
  /// own.
  static func address(_ page: Int) -> UInt64 {
    [0x40_0000, 0x60_0000, 3 << 30][page / 8] + UInt64(page % 8) * 4096
  }

  /// The addresses from those of the first page of `pages` to those of the last.
  static func range(_ pages: Range<Int>) -> Range<VirtualAddress> {
    VirtualAddress(address(pages.lowerBound))..<VirtualAddress(address(pages.upperBound - 1) + 4096)
  }

  /// What tells a page from all others in a history.
  static func name(_ slot: Int, _ generation: UInt64, _ page: Int) -> UInt64 {
    UInt64(slot) << 56 | generation << 8 | UInt64(page)
  }

  /// Runs `body` with the space in `slot`, its generation, and its pages; does nothing if it is
  /// being replaced.
  func use(
    _ slot: Int,
    _ body: (borrowing VmSpace, UInt64, UnsafeMutableBufferPointer<Page>) throws -> Void
  ) rethrows {
    let slot = slots[slot]
    // Ordering: relaxed; nothing is read but the word. The space is read below.
    let old = slot.word.wrappingAdd(1, ordering: .relaxed).oldValue
    // Ordering: releasing, pairs with the load in `replace`: its user has finished.
    defer { slot.word.wrappingSubtract(1, ordering: .releasing) }
    if old & Self.replaced != 0 { return }
    let generation = old >> 32
    // Ordering: acquiring, pairs with the store in `replace`.
    while slot.published.load(ordering: .acquiring) != generation { Processor.pause() }
    try body(slot.space.pointee, generation, slot.pages)
  }

  /// Destroys the space in `slot` and creates another, unless another thread does so. Before that
  /// calls `body` with the generation and the pages.
  func replace(
    _ slot: Int, _ body: (UInt64, UnsafeMutableBufferPointer<Page>) -> Void
  ) throws {
    let slot = slots[slot]
    // Ordering: relaxed; who has replaced it before is acquired below.
    let old = slot.word.bitwiseOr(Self.replaced, ordering: .relaxed).oldValue
    if old & Self.replaced != 0 { return }
    // Ordering: acquiring, pairs with the subtraction in `use`.
    while slot.word.load(ordering: .acquiring) & (Self.replaced - 1) != 0 { Processor.pause() }
    let generation = old >> 32
    // Ordering: acquiring, pairs with the store below.
    while slot.published.load(ordering: .acquiring) != generation { Processor.pause() }
    body(generation, slot.pages)
    slot.space.deinitialize(count: 1)
    slot.pages.update(repeating: Page())
    slot.space.initialize(to: try VmSpace())
    // Ordering: releasing, pairs with the loads of `published`.
    slot.published.store(generation + 1, ordering: .releasing)
    // Others may be trying to use it. Ordering: relaxed; see above.
    slot.word.wrappingAdd(1 << 32 - Self.replaced, ordering: .relaxed)
  }

  /// The violations in all spaces, while no other thread runs.
  var problems: [String] { slots.flatMap { $0.space.pointee.problems } }
}
