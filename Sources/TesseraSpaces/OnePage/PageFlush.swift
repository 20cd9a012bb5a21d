public import TesseraHardware

/// A page that a `PageMapper` has changed, and that must be flushed from the TLBs of all processors
/// that run on its space.
///
/// Destroying it does that, unless it has been done, in one request together with whatever else is
/// pending in the mapper, and returns when all have acknowledged it. So a change whose result is
/// not kept is flushed at once. A page that was mapped where nothing was needs no flush, nor does
/// one that was given rights: a processor that lacks them faults once, and walks again (Intel SDM
/// Vol. 3A, "Optional Invalidation").
public struct PageFlush: ~Copyable, ~Escapable {
  /// The start of the page.
  public let page: VirtualAddress
  /// The size of the page.
  public let size: PageSize
  private let place: CursorPlace

  @_lifetime(immortal)
  init(of page: VirtualAddress, _ size: PageSize, _ place: CursorPlace) {
    self.page = page
    self.size = size
    self.place = place
  }

  deinit {
    if isPending { place.flush() }
  }

  /// A Boolean value indicating whether a processor may still have a stale translation of the page.
  public var isPending: Bool { place.isFlushPending(for: page, size) }

  /// Flushes the page, as its destruction does. After that no processor has a stale translation.
  public consuming func flush() {}

  /// Leaves the flush to the mapper, which does it with the next one, or when it ends. Nothing is
  /// freed before, and the page stays locked: only this processor can tell the difference.
  @export(interface)
  public consuming func postpone() { discard self }

  /// Returns whether this is a token of the mapper whose cursor is at `place`.
  borrowing func isToken(of place: CursorPlace) -> Bool { self.place.isSame(as: place) }
}

/// A token stays on the processor that has locked its page.
@available(*, unavailable)
extension PageFlush: Sendable {}
