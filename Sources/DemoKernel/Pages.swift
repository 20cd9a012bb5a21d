internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Some pages of an address space that follow each other.
struct Pages {
  /// The first byte.
  let start: UInt64
  let byteCount: UInt64

  /// The `count` pages of 4 KiB from `start` on.
  init(at start: UInt64, _ count: UInt64 = 1) {
    self.start = start
    byteCount = count * PageSize.fourKiB.byteCount
  }

  private var range: Range<VirtualAddress> {
    VirtualAddress(start)..<VirtualAddress(start + byteCount)
  }

  /// Runs `body` with a cursor over the pages of `space`, which is gone when this returns.
  func change(
    in space: borrowing VmSpace, _ body: (inout Cursor) throws(MapError) -> Void
  ) throws(Refusal) {
    var failure: MapError?
    do throws(RangeError) {
      var cursor = try space.cursor(over: range)
      do throws(MapError) { try body(&cursor) } catch { failure = error }
    } catch {
      throw .range(error)
    }
    if let failure { throw .map(failure) }
  }

  /// The same for pages of the kernel.
  func changeInKernel(_ body: (inout Cursor) throws(MapError) -> Void) throws(Refusal) {
    var failure: MapError?
    do throws(RangeError) {
      var cursor = try KernelSpace.cursor(over: range)
      do throws(MapError) { try body(&cursor) } catch { failure = error }
    } catch {
      throw .range(error)
    }
    if let failure { throw .map(failure) }
  }
}

extension Cursor {
  /// Maps `frame`, of which the caller keeps its handle.
  mutating func map(
    sharing frame: borrowing Frame<PlainMemory>, as property: PageProperty
  ) throws(MapError) {
    var handle: Frame<PlainMemory>? = frame.share()
    try map(&handle, as: property)
  }

  /// Puts `frame`, of which the caller keeps its handle, in the place of what is mapped.
  mutating func replace(
    sharing frame: borrowing Frame<PlainMemory>, as property: PageProperty
  ) throws(MapError) {
    var handle: Frame<PlainMemory>? = frame.share()
    try replace(with: &handle, as: property)
  }
}
