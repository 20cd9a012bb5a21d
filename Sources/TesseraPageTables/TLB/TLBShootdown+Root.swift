internal import TesseraFrames
package import TesseraHardware

extension TLBShootdown {
  /// Flushes `pages` on the processors that run on the tables under `root`, or on all of them if
  /// it is nil. Returns once all of them have done so.
  ///
  /// The caller has written the entries, and stays on this processor.
  @inline(never)
  static func flush(_ pages: FlushedPages, under root: PageTableNode?) {
    guard let root else { return flushKernel(pages) }
    let isAlone = FrameAllocator.processorCount == 1
    let processors = isAlone ? root.activeProcessors : root.activeProcessorsAfterWrites
    if processors.isEmpty { return }
    if processors.isOnly(Processor.current) { return flushHere(pages, alsoGlobal: false) }
    flush(pages, on: processors, root: root.address.rawValue)
  }

  /// As `flush(_:under:)`, on all processors.
  @inline(never)
  private static func flushKernel(_ pages: FlushedPages) {
    if FrameAllocator.processorCount == 1 { return flushHere(pages, alsoGlobal: true) }
    flush(pages, on: startedProcessors, root: everyRoot)
  }

  /// Flushes `pageCount` kernel pages of 4 KiB, or one of any size, from `start`, on all
  /// processors. As `flush(_:under:)`.
  @export(interface)
  package static func flushKernelPages(from start: VirtualAddress, pageCount: UInt64) {
    var pages = PendingInvalidations()
    pages.add(start, pageCount: pageCount)
    pages.finish(under: nil)
  }
}
