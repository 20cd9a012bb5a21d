internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// The addresses that the processors work on: of each a part of 1 GiB, with tables of its own below
/// one that they share.
enum PairSpace {
  /// Page `index` of `processor`'s.
  @inline(__always)
  static func page(_ processor: Int, _ index: Int) -> Range<VirtualAddress> {
    let part = UInt64(truncatingIfNeeded: processor) &<< 30
    let start = firstPage &+ part &+ UInt64(truncatingIfNeeded: index) &<< 12
    return VirtualAddress(start)..<VirtualAddress(start &+ 4096)
  }

  private static var firstPage: UInt64 { 0x56_0000_0000 }

  /// Marks, or no longer marks, a page at the end of each part, so that the tables that another
  /// processor may meet on its way down stay.
  static func holdTables(_ isHeld: Bool) {
    for processor in 0..<2 {
      // SAFETY: the spaces that stay were made at the start.
      var cursor = cursor(
        over: page(processor, (1 << 18) - 1), of: unsafe Spaces.active.pointee)
      do throws(TesseraError) {
        if isHeld { try cursor.setStatus(4096, to: 1) } else { try cursor.unmap(4096) }
      } catch { stop() }
    }
  }
}
