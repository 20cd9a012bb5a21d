/// What tokens of a `PageMapper` are given to.
///
/// For functions that change pages and leave to their callers when these are flushed.
public protocol PageFlusher: ~Copyable, ~Escapable {
  /// Takes over the duty to flush the page of `flush`.
  mutating func consume(_ flush: consuming PageFlush)
}

/// A flusher that flushes each page at once.
public struct ImmediateFlusher: PageFlusher {
  public init() {}

  public mutating func consume(_ flush: consuming PageFlush) { flush.flush() }
}

/// A flusher that flushes the pages of all its tokens at once, when it is destroyed.
///
/// One request goes to each processor that runs on the space of the mapper, whether that is active
/// on this one or not, and all have acknowledged it when this returns. Processors that do not run
/// on the space are not asked.
public struct FlushBatch: PageFlusher, ~Copyable, ~Escapable {
  private let place: CursorPlace
  /// Whether a token has been consumed whose page was not flushed yet.
  private var isPending = false

  @_lifetime(immortal)
  init(_ place: CursorPlace) { self.place = place }

  deinit {
    if isPending { place.flush() }
  }

  /// Takes over the duty to flush the page of `flush`. A token of another mapper is flushed at
  /// once.
  public mutating func consume(_ flush: consuming PageFlush) {
    guard flush.isToken(of: place), flush.isPending else { return }
    isPending = true
    flush.postpone()
  }

  /// Flushes all pages, as the destruction of the batch does.
  public consuming func flush() {}
}

/// A batch stays on the processor that has locked its pages.
@available(*, unavailable)
extension FlushBatch: Sendable {}
