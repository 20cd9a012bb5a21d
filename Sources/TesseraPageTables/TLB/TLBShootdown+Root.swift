internal import TesseraFrames
package import TesseraHardware

extension TLBShootdown {
  /// Flushes `pages` on the processors that run on the tables under `root`, or on all of them if
  /// it is nil. Returns once all of them have done so.
  ///
  /// The caller has written the entries, and stays on this processor.
  @inline(never)
  static func flush(_ pages: FlushedPages, under root: PageTableNode?) {
    if FrameAllocator.processorCount > 1 {
      guard let root else { return flushKernel(pages) }
      return flush(pages, of: root.address, root.noteChange())
    }
    if let root, !ActiveRoots.isActive(root.address, on: 0) {
      // Its translations may be cached under an identifier that is not in use.
      if ProcessContexts.areUsed { _ = root.noteChange() }
      return
    }
    flushHere(pages, alsoGlobal: root == nil)
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
