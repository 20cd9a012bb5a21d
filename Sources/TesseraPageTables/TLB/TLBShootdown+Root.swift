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
    if let root, root.activeProcessors.isEmpty {
      // Its translations may be cached under an identifier that is not in use.
      if ProcessContexts.areUsed && !FlushSwitch.isOff { _ = root.advanceVersion() }
      return
    }
    flushHere(pages, alsoGlobal: root == nil, Processor.current)
  }

  /// As `flush(_:under:)`, with several processors configured. Apart, so that one alone does not
  /// save registers for it.
  @inline(never)
  private static func flushEverywhere(_ pages: FlushedPages, under root: PageTableNode?) {
    guard let root else { return flushKernel(pages) }
    if ProcessContexts.areUsed { return flushContexts(pages, under: root) }
    let processors = root.activeProcessorsAfterWrites
    if hasOneGroup {
      let here = Processor.current
      if processors.isOnly(here) { return flushHere(pages, alsoGlobal: false, here) }
      if processors.isEmpty { return }
    }
    flush(pages, of: root.address, RootChange(on: processors))
  }

  /// As `flushEverywhere`, where translations may be cached under identifiers that are not in use.
  @inline(never)
  private static func flushContexts(_ pages: FlushedPages, under root: PageTableNode) {
    if FlushSwitch.isOff { return }
    flush(pages, of: root.address, root.advanceVersion())
  }

  /// Flushes `pageCount` kernel pages of 4 KiB, or one of any size, from `start`, on all
  /// processors. As `flush(_:under:)`.
  @export(interface)
  package static func flushKernelPages(from start: VirtualAddress, pageCount: UInt64) {
    var pages = PendingInvalidations()
    // Pages of a loader's tables may not be global, and are then cached under each identifier.
    if ProcessContexts.areUsed { pages.addEverything() }
    pages.add(start, pageCount: pageCount)
    pages.finish(under: nil)
  }
}
