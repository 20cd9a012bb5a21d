internal import CBenchmarks
internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPager
internal import TesseraSpaces

/// The memory that the pager takes for itself, beside the slots of frames and the page tables of
/// spaces.
enum PagerMemory {
  /// Measures all, and writes a line for each.
  static func measureAll(on machine: borrowing Machine) {
    measurePages(8192, on: machine)
    measureObjects(4096, pageCount: 1, residentCount: 1, on: machine)
    measureObjects(1024, pageCount: 8, residentCount: 8, on: machine)
    measureObjects(64, pageCount: 512, residentCount: 512, on: machine)
    measureObjects(1, pageCount: 1 << 20, residentCount: 0, on: machine)
    measureObjects(1, pageCount: 1 << 20, residentCount: 1 << 17, on: machine)
  }

  /// Compares pages of a space that is paged with those of one that is not.
  private static func measurePages(_ count: Int, on machine: borrowing Machine) {
    // SAFETY: the place holds nothing.
    unsafe Spaces.places.initialize(to: makeSpace())
    let plain = usedFrames(on: machine) { writeAnonymousPages(count) }
    // SAFETY: it was just put there.
    unsafe Spaces.places.deinitialize(count: 1)
    PagedSpace.start()
    let paged = usedFrames(on: machine) { writeAnonymousPages(count) }
    PagedSpace.end()
    Report.write(pages: count, byteCount: (paged - plain) * 4096 / count)
  }

  private static func measureObjects(
    _ count: Int, pageCount: Int, residentCount: Int, on machine: borrowing Machine
  ) {
    // SAFETY: the places hold nothing.
    let places = unsafe Handles.places(of: MemoryObject.self)
    PagedSpace.start()
    let used = usedFrames(on: machine) {
      do throws(TesseraError) {
        for place in 0..<count {
          unsafe (places + place).initialize(
            to: try MemoryObject(byteCount: byteCount(pageCount), store: PagedSpace.store))
          readWords(residentCount, of: unsafe places[place])
        }
      } catch { stop() }
    }
    // SAFETY: they were just put there.
    unsafe places.deinitialize(count: count)
    PagedSpace.end()
    Report.write(
      objectOf: pageCount, residentCount,
      byteCount: (used - count * residentCount) * 4096 / count)
  }

  /// How many more frames are in use after `body`.
  private static func usedFrames(on machine: borrowing Machine, _ body: () -> Void) -> Int {
    machine.drain()
    let before = FrameAllocator.statistics.usedFrameCount
    body()
    machine.drain()
    return Int(FrameAllocator.statistics.usedFrameCount) - Int(before)
  }
}
