package import TesseraFrames
package import TesseraHardware

extension PageTableNode {
  /// Whether the page of 4 KiB at `address` maps the frame of `page`, with rights or without. The
  /// node is a root, and the address one of the user range.
  ///
  /// Takes no lock: the answer was true at some moment of the call. See `Cursor.maps`.
  package func maps(_ page: FrameSlotReference, at address: VirtualAddress) -> Bool {
    let (entry, level) = settledEntry(at: address)
    return level == .leafTable && entry.isLeaf
      && entry.leafAddress(size: .fourKiB) == page.address
  }
}
