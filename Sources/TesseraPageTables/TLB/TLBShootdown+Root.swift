internal import TesseraFrames
package import TesseraHardware

extension TLBShootdown {
  /// Flushes `pages` on the processors that run on the tables under `root`, or on all of them if
  /// it is nil. Returns once all of them have done so.
  ///
  /// The caller has written the entries, and stays on this processor.
  @inline(never)
  static func flush(_ pages: FlushedPages, under root: PageTableNode?) {
    if FrameAllocator.processorCount > 1 { return flushEverywhere(pages, under: root) }
    if let root, root.activeProcessors.isEmpty { return }
    flushHere(pages, alsoGlobal: root == nil)
  }

  /// As `flush(_:under:)`, with several processors configured. Apart, so that one alone does not
  /// save registers for it.
  @inline(never)
  private static func flushEverywhere(_ pages: FlushedPages, under root: PageTableNode?) {
    guard let root else { return flush(pages, on: startedProcessors, root: everyRoot) }
    let processors = root.activeProcessorsAfterWrites
    if processors.isEmpty { return }
    if processors.isOnly(Processor.current) { return flushHere(pages, alsoGlobal: false) }
    flush(pages, on: processors, root: root.address.rawValue)
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
