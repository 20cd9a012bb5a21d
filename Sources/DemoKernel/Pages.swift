internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Contiguous pages of an address space.
struct Pages {
  /// The first byte.
  let start: UInt64
  let byteCount: UInt64

  /// `count` pages of 4 KiB at `start`.
  init(at start: UInt64, _ count: UInt64 = 1) {
    self.start = start
    byteCount = count * PageSize.fourKiB.byteCount
  }

  var range: Range<VirtualAddress> {
    VirtualAddress(start)..<VirtualAddress(start + byteCount)
  }
}

extension Cursor {
  /// Maps `frame` through a new handle.
  mutating func map(
    sharing frame: borrowing Frame<PlainMemory>, as property: PageProperty
  ) throws(TesseraError) {
    var handle: Frame<PlainMemory>? = frame.share()
    try map(&handle, as: property)
  }

  /// Replaces the mapped frame by `frame`, through a new handle.
  mutating func replace(
    sharing frame: borrowing Frame<PlainMemory>, as property: PageProperty
  ) throws(TesseraError) {
    var handle: Frame<PlainMemory>? = frame.share()
    try replace(with: &handle, as: property)
  }
}
