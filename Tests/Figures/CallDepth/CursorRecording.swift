import Tessera
import TesseraHardware

/// The operations of cursors, on pages that lie alone, among others, and in large ones.
struct CursorRecording: ~Copyable {
  let space: VmSpace
  /// The target of a copy.
  let child: VmSpace
  private static let largePage: UInt64 = 0x8000_0000

  private static func bytes(_ start: UInt64, _ byteCount: UInt64) -> Range<VirtualAddress> {
    VirtualAddress(start)..<VirtualAddress(start + byteCount)
  }

  /// Opens a cursor over `byteCount` bytes at `start`, and records `body` as the work of `name`.
  private borrowing func record(
    _ name: String, reads: Bool = false, _ start: UInt64, _ byteCount: UInt64,
    _ body: (inout Cursor) throws -> Void
  ) throws {
    var cursor = try space.cursor(over: Self.bytes(start, byteCount))
    try CallRecorder.record(name, reads: reads) { () throws in try body(&cursor) }
  }

  borrowing func openCursors() throws {
    try mapPages(count: 4, at: 0x40_0000)
    for (name, start, byteCount): (String, UInt64, UInt64) in [
      ("over a page", 0x40_0000, 4096), ("over tables", 0x40_0000, 1 << 30),
      ("where no table is", 0x100_0000_0000, 4096),
    ] {
      try CallRecorder.record("open a cursor \(name)", reads: true) { () throws in
        _ = try space.cursor(over: Self.bytes(start, byteCount))
      }
    }
  }

  private borrowing func mapPages(count: Int, at start: UInt64) throws {
    var cursor = try space.cursor(over: Self.bytes(start, UInt64(count) * 4096))
    for _ in 0..<count {
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      try cursor.map(&frame, as: .userReadWrite)
    }
  }

  borrowing func mapPages() throws {
    for (name, start, byteCount): (String, UInt64, UInt64) in [
      ("a page", 0x41_0000, 4096), ("a page of a wide cursor", 0x42_0000, 1 << 30),
      ("a page where no table is", 0x200_0000_0000, 4096),
    ] {
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      try record("map \(name)", start, byteCount) { try $0.map(&frame, as: .userReadWrite) }
    }
    for address in [Self.largePage, 2 * Self.largePage] {
      var large: Frame<PlainMemory>? = try Frame(
        allocating: PlainMemory(), FrameRequest(size: .twoMiB))
      try record("map a large page", address, 1 << 21) { try $0.map(&large, as: .userReadWrite) }
    }
    var segment: Segment<PlainMemory>? = try Segment(allocating: 4) { _ in PlainMemory() }
    try record("map a segment", 0x60_0000, 4 << 12) { try $0.map(&segment, as: .userReadWrite) }
  }

  borrowing func queryPages() throws {
    for (name, start, byteCount): (String, UInt64, UInt64) in [
      ("a page", 0x40_0000, 4096), ("a page of a wide cursor", 0x40_0000, 1 << 30),
      ("a large page", Self.largePage, 1 << 21),
    ] {
      try record("query \(name)", reads: true, start, byteCount) { _ = try $0.query() }
    }
  }

  borrowing func protectPages() throws {
    for (name, start, byteCount): (String, UInt64, UInt64) in [
      ("a page", 0x40_0000, 4096), ("pages of a wide cursor", 0x40_0000, 1 << 30),
      ("a large page", Self.largePage, 1 << 21), ("part of a large page", Self.largePage, 1 << 20),
    ] {
      try record("protect \(name)", start, byteCount) { _ = try $0.protect(byteCount, to: .read) }
    }
  }

  borrowing func copyPages() throws {
    try makeWritable()
    for (name, start, byteCount): (String, UInt64, UInt64) in [
      ("pages", 0x40_0000, 1 << 21), ("a large page", 2 * Self.largePage, 1 << 21),
    ] {
      var target = try child.cursor(over: Self.bytes(start, byteCount))
      try record("copy \(name) for a fork", start, byteCount) { source in
        try target.copy(from: &source, byteCount)
      }
    }
  }

  /// Makes the pages writable again, so that the copy changes them.
  private borrowing func makeWritable() throws {
    var cursor = try space.cursor(over: Self.bytes(0x40_0000, 1 << 21))
    try cursor.protect(1 << 21, to: .readWrite)
  }

  borrowing func unmapPages() throws {
    for (name, start, byteCount): (String, UInt64, UInt64) in [
      ("a page", 0x40_0000, 4096), ("pages", 0x40_1000, 2 << 12),
      ("part of a large page", 2 * Self.largePage, 1 << 20),
      ("whole tables", 0x40_0000, 1 << 30),
    ] {
      try record("unmap \(name)", start, byteCount) { _ = try $0.unmap(byteCount) }
    }
  }
}
