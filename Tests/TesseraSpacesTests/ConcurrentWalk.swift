import Foundation
import Scenarios
import Synchronization
import Tessera
import TesseraHardware
import TesseraPageTables

/// The random operations of one processor on spaces that others use at the same time.
final class ConcurrentWalk: @unchecked Sendable {
  /// How a processor accesses memory.
  struct Memory: Sendable {
    /// Whether pages may be written.
    let writes: Bool
    /// Returns the word at the start of the page at an address, or 0 if the access faults.
    let access: @Sendable (_ page: UInt64, _ isWrite: Bool, _ processor: Int) -> UInt64
  }

  let history = PageHistory()
  private(set) var operationCount = 0
  private(set) var errorCount = 0
  private let number: Int
  private let spaces: SharedSpaces
  private let memory: Memory
  private var random: SplitMix
  private var stampCount: UInt64 = 0
  /// The slot and the generation of the space that the processor runs on.
  private var active: (slot: Int, generation: UInt64)?

  init(_ number: Int, _ spaces: SharedSpaces, _ memory: Memory, _ random: SplitMix) {
    self.number = number
    self.spaces = spaces
    self.memory = memory
    self.random = random
  }

  /// Carries out `count` operations, and leaves the processor on the kernel's root.
  func run(_ count: Int) {
    for _ in 0..<count {
      do { try step() } catch { errorCount += 1 }
      operationCount += 1
      usePages()
    }
    VmSpace.deactivate()
  }

  private func step() throws {
    let slot = random.below(spaces.count)
    switch random.below(64) {
    case 0..<20:
      let property: PageProperty = random.oneIn(3) ? .userRead : .userReadWrite
      try change(slot) { cursor, pages throws(TesseraError) in
        for page in pages { try self.mapFrame(at: page, property, &cursor) }
      }
    case 20..<34:
      try change(slot) { cursor, _ throws(TesseraError) in
        try cursor.unmap(cursor.byteCountLeft)
      }
    case 34..<46:
      let access: PageAccess = random.oneIn(2) ? .read : .readWrite
      try change(slot) { cursor, _ throws(TesseraError) in
        try cursor.protect(cursor.byteCountLeft, to: access)
      }
    case 46..<52: try copy(from: slot)
    case 52..<60: activate(slot)
    case 60:
      VmSpace.deactivate()
      active = nil
    case 61: try replace(slot)
    default: translatePages(slot)
    }
  }

  /// Some pages with consecutive numbers.
  private func somePages() -> Range<Int> {
    let first = random.below(SharedSpaces.pageCount)
    let last = random.oneIn(8) ? SharedSpaces.pageCount : first + 1 + random.below(4)
    return first..<min(SharedSpaces.pageCount, last)
  }

  /// Calls `body` with a cursor over some pages of the space in `slot`, and notes what has changed.
  private func change(
    _ slot: Int, _ body: (inout Cursor, Range<Int>) throws(TesseraError) -> Void
  ) throws {
    let numbers = somePages()
    try history.during {
      try spaces.use(slot) { space, generation, pages in
        var cursor = try space.cursor(over: SharedSpaces.range(numbers))
        // What was done before an error is noted, too.
        let result = Result { () throws(TesseraError) in try body(&cursor, numbers) }
        try note(numbers, of: slot, generation, pages, &cursor)
        try result.get()
      }
    }
  }

  /// Maps a new frame, which has a stamp of its own, unless `page` is mapped.
  private func mapFrame(
    at page: Int, _ property: PageProperty, _ cursor: inout Cursor
  ) throws(TesseraError) {
    try cursor.jump(to: VirtualAddress(SharedSpaces.address(page)))
    if try cursor.query().content.isMapped { return }
    var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
    stampCount += 1
    Self.atomicStamp(of: frame?.address ?? .zero).pointee
      // Ordering: relaxed; a race with a plain load is still one, and with an atomic one is none.
      .store(UInt64(number + 1) << 48 | stampCount, ordering: .relaxed)
    try cursor.map(&frame, as: property)
  }

  /// The first word of the frame at `address`. Not by a load of raw memory, which ThreadSanitizer
  /// does not see.
  static func stamp(of address: PhysicalAddress) -> UnsafeMutablePointer<UInt64> {
    PhysicalMemory.pointer(to: address).assumingMemoryBound(to: UInt64.self)
  }

  static func atomicStamp(of address: PhysicalAddress) -> UnsafeMutablePointer<Atomic<UInt64>> {
    PhysicalMemory.pointer(to: address).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// Notes the pages that are not as they were under the last cursor, and that the others are.
  private func note(
    _ numbers: Range<Int>, of slot: Int, _ generation: UInt64,
    _ pages: UnsafeMutableBufferPointer<SharedSpaces.Page>, _ cursor: inout Cursor
  ) throws {
    for number in numbers {
      try cursor.jump(to: VirtualAddress(SharedSpaces.address(number)))
      var state = PageHistory.State()
      if case .mapped(let address, let property, _) = try cursor.query().content {
        state = PageHistory.State(
          stamp: Self.stamp(of: address).pointee, frame: address.rawValue,
          isWritable: property.access == .readWrite)
      }
      let name = SharedSpaces.name(slot, generation, number)
      if pages[number].state == state {
        history.noteSight(of: name, pages[number].version)
      } else {
        pages[number].state = state
        pages[number].version += 1
        history.noteChange(of: name, to: state, pages[number].version)
      }
    }
  }

  /// Copies some pages of the space in `slot` to the same addresses of one in a later slot, so that
  /// two that copy do not wait for each other.
  private func copy(from slot: Int) throws {
    guard slot + 1 < spaces.count else { return }
    let later = slot + 1 + random.below(spaces.count - slot - 1)
    let numbers = somePages()
    let range = SharedSpaces.range(numbers)
    try history.during {
      try spaces.use(slot) { space, generation, pages in
        try spaces.use(later) { laterSpace, laterGeneration, laterPages in
          var source = try space.cursor(over: range)
          var target = try laterSpace.cursor(over: range)
          try target.unmap(target.byteCountLeft)
          // Others may see that.
          try note(numbers, of: later, laterGeneration, laterPages, &target)
          try target.jump(to: range.lowerBound)
          let result = Result { () throws(TesseraError) in
            try target.copy(from: &source, target.byteCountLeft)
          }
          try note(numbers, of: slot, generation, pages, &source)
          try note(numbers, of: later, laterGeneration, laterPages, &target)
          try result.get()
        }
      }
    }
  }

  private func activate(_ slot: Int) {
    spaces.use(slot) { space, generation, _ in
      space.activate()
      active = (slot, generation)
    }
  }

  /// Destroys the space in `slot`, and creates another. If other processors run on it, its pages
  /// stay until the last of them leaves.
  private func replace(_ slot: Int) throws {
    try spaces.replace(slot) { generation, pages in
      for number in pages.indices where pages[number].state.stamp != 0 {
        history.noteDestruction(
          of: SharedSpaces.name(slot, generation, number), pages[number].version + 1)
      }
    }
  }

  /// Translates some pages of the space in `slot` without a lock.
  private func translatePages(_ slot: Int) {
    spaces.use(slot) { space, generation, _ in
      for _ in 0..<4 {
        let number = random.below(SharedSpaces.pageCount)
        let address = VirtualAddress(SharedSpaces.address(number))
        history.use(SharedSpaces.name(slot, generation, number), .translation) {
          space.translate(address)?.address.rawValue ?? 0
        }
      }
    }
  }

  /// Accesses some pages of the space that the processor runs on, as a program does.
  private func usePages() {
    guard let (slot, generation) = active else { return }
    for _ in 0..<4 {
      let number = random.below(SharedSpaces.pageCount)
      let isWrite = memory.writes && random.oneIn(3)
      let name = SharedSpaces.name(slot, generation, number)
      history.use(name, isWrite ? .write : .read) {
        memory.access(SharedSpaces.address(number), isWrite, self.number)
      }
    }
  }
}
