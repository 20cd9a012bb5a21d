package import TesseraFrames
package import TesseraHardware
internal import TesseraPageTables

extension KernelVirtualArea {
  /// Whether `address` is in the area, and the kernel space has been started.
  package static func contains(_ address: UInt64) -> Bool {
    KernelSpace.isStarted && address >= range.lowerBound.rawValue
      && address < range.upperBound.rawValue
  }

  /// Maps `pageCount` new frames, readable and writable by the kernel, at free addresses of the
  /// area, one after another. Returns the addresses.
  ///
  /// `metadata` returns that of the frame of each page, of which the first is number 0. It is
  /// called again if another thread maps a page of the addresses first.
  ///
  /// - Throws: `outOfFrames` if there is no memory, or the area is full, or `pageCount` is 0;
  ///   nothing has changed then.
  package static func allocate<Metadata: UntypedFrameMetadata & ~Copyable>(
    pageCount: UInt64, _ request: FrameRequest, metadata: (_ page: UInt64) -> Metadata
  ) throws(TesseraError) -> Range<VirtualAddress> {
    guard pageCount <= FrameTable.frameCount else { throw .outOfFrames }
    return try withFreeRange(pageCount * PageSize.fourKiB.byteCount) {
      pages throws(TesseraError) in
      try fill(pages, request, metadata)
    }
  }

  /// Maps new frames at all of `pages`, or none.
  private static func fill<Metadata: UntypedFrameMetadata & ~Copyable>(
    _ pages: PiecewiseRange, _ request: FrameRequest, _ metadata: (_ page: UInt64) -> Metadata
  ) throws(TesseraError) {
    let nodes = try pages.reserveNodes(wholeUpTo: .leafTable)
    var frames = FrameList<Metadata>()
    for page in 0..<pages.pageCount {
      frames.pushBack(try UniqueFrame(allocating: metadata(UInt64(page)), request))
    }
    var position = pages.start
    do throws(TesseraError) {
      try pages.mapSmallPages(as: .kernelReadWrite, nodes) {
        guard let frame = frames.popFront() else { panic("a frame to be mapped is missing") }
        position = position.advanced(unchecked: PageSize.fourKiB.byteCount)
        return frame.shared()
      }
    } catch {
      // Another thread has mapped a page further on. Those before it are this mapping's.
      if position > pages.start { unmap(pages.start..<position) }
      throw error
    }
  }
}
