internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// An address space laid out like a user program's: code, constants, data, and a stack that grows.
struct Program: ~Copyable {
  static var code: Pages { Pages(at: 0x40_0000, 4) }
  static var constants: Pages { Pages(at: 0x40_4000, 2) }
  static var data: Pages { Pages(at: 0x60_0000, 6) }
  static var large: Pages { Pages(at: 0x4000_0000, 512) }
  static var stack: Pages { Pages(at: VmSpace.end.rawValue - 4 * 4096, 4) }
  /// The range below the stack into which it can grow.
  static var stackReserve: Pages { Pages(at: VmSpace.end.rawValue - 64 * 4096, 60) }
  /// The status of pages that are allocated on demand.
  static var onDemand: UInt32 { 1 }

  let space: VmSpace
  /// The word that fills the data, which tells programs apart.
  let marker: UInt64

  /// Creates the space and maps its memory.
  init(marker: UInt64) throws(TesseraError) {
    let space = try VmSpace()
    try Self.fill(space, marker)
    self.space = space
    self.marker = marker
  }

  private static func fill(_ space: borrowing VmSpace, _ marker: UInt64) throws(TesseraError) {
    // Every byte is a return instruction.
    try map(code, in: space, as: .userReadExecute, holding: 0xc3c3_c3c3_c3c3_c3c3)
    try map(constants, in: space, as: .userRead, holding: marker)
    try map(stack, in: space, as: .userReadWrite, holding: marker)
    for index in 0..<data.byteCount / 4096 {
      // Separate allocations, so that the frames are scattered.
      let page = Pages(at: data.start + index * 4096)
      try map(page, in: space, as: .userReadWrite, holding: marker)
    }
    try mapLarge(in: space, holding: marker)
    try space.withCursor(over: stackReserve.range) { cursor throws(TesseraError) in
      try cursor.setStatus(stackReserve.byteCount, to: onDemand)
    }
  }

  /// Maps new frames filled with `word` in `pages`.
  private static func map(
    _ pages: Pages, in space: borrowing VmSpace, as property: PageProperty, holding word: UInt64
  ) throws(TesseraError) {
    var segment: Segment<PlainMemory>?
    let made = try Segment(allocating: Int(pages.byteCount / 4096)) { _ in PlainMemory() }
    made.fill(with: word)
    segment = consume made
    try space.withCursor(over: pages.range) { cursor throws(TesseraError) in
      try cursor.map(&segment, as: property)
    }
  }

  /// Maps a new 2 MiB frame filled with `word`.
  private static func mapLarge(
    in space: borrowing VmSpace, holding word: UInt64
  ) throws(TesseraError) {
    var frame: Frame<PlainMemory>?
    let made = try Frame(allocating: PlainMemory(), FrameRequest(isZeroed: false, size: .twoMiB))
    made.fill(with: word)
    frame = consume made
    try space.withCursor(over: large.range) { cursor throws(TesseraError) in
      try cursor.map(&frame, as: .userReadWrite)
    }
  }

  /// The word at the program's `address`, read through the direct map; nil if it is not mapped.
  func content(at address: UInt64) -> UInt64? {
    guard let target = space.translate(VirtualAddress(address)) else { return nil }
    return MemoryProbe.read(UInt64(PhysicalMemory.directMapBase) + target.address.rawValue)
  }
}
