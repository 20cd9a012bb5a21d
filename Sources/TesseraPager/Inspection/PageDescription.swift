public import TesseraFaults
internal import TesseraFrames
public import TesseraHardware

/// What is known of a page in memory.
public struct PageDescription: Equatable, Sendable {
  public let owner: PageOwner
  /// The number of the page among the owner's: from the start of an object, or the virtual page
  /// number.
  public let index: UInt64
  public let flags: PageFlags
  /// From 0, for a page that is taken away next, to 4.
  public let age: UInt32
  /// The number of pages of spaces that map it, where its owner says that they are.
  public let mapCount: Int
}

extension Pager {
  /// Describes the page in the frame at `address`; nil if the pager has none there. What other
  /// processors change meanwhile is included or not.
  ///
  /// Reads the tables of all spaces that may map the page, as `reclaim(_:)` does.
  public static func page(at address: PhysicalAddress) -> PageDescription? {
    guard let slot = try? FrameTable.slot(at: address) else { return nil }
    do throws(TesseraError) { try slot.acquire() } catch { return nil }
    // SAFETY: the reference was just acquired.
    let frame = unsafe PageFrame(adopting: slot)
    guard let page = PageReference(frame.slot) else { return nil }
    var mapCount = 0
    page.forEachMapping { _ in mapCount += 1 }
    return PageDescription(
      owner: page.owner, index: page.index, flags: page.flags, age: page.age, mapCount: mapCount)
  }
}
