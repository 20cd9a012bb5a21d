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

  private var range: Range<VirtualAddress> {
    VirtualAddress(start)..<VirtualAddress(start + byteCount)
  }

  /// Calls `body` with a cursor over the pages of `space`. The TLB is flushed before this returns.
  func change(
    in space: borrowing VmSpace, _ body: (inout Cursor) throws(MapError) -> Void
  ) throws(DemoError) {
    var failure: MapError?
    do throws(RangeError) {
      var cursor = try space.cursor(over: range)
      do throws(MapError) { try body(&cursor) } catch { failure = error }
    } catch {
      throw .range(error)
    }
    if let failure { throw .map(failure) }
  }

  /// Like `change(in:_:)`, in the kernel virtual area.
  func changeInKernel(_ body: (inout Cursor) throws(MapError) -> Void) throws(DemoError) {
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
  /// Maps `frame` through a new handle.
  mutating func map(
    sharing frame: borrowing Frame<PlainMemory>, as property: PageProperty
  ) throws(MapError) {
    var handle: Frame<PlainMemory>? = frame.share()
    try map(&handle, as: property)
  }

  /// Replaces the mapped frame by `frame`, through a new handle.
  mutating func replace(
    sharing frame: borrowing Frame<PlainMemory>, as property: PageProperty
  ) throws(MapError) {
    var handle: Frame<PlainMemory>? = frame.share()
    try replace(with: &handle, as: property)
  }
}
