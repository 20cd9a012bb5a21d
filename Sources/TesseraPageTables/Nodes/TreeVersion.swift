internal import Synchronization
internal import TesseraHardware

/// The version of all page tables together: another one whenever a node has been detached.
///
/// A detached node is freed as soon as no processor can translate through it any more, and its
/// frame may then become anything. A walk without locks may still be on its way to it. The node is
/// not kept for it; instead the walk notices. It remembers the version before it reads the first
/// entry, and looks again after each entry, before it uses it:
///
///     detach    entry removed, version advanced, locks released, TLBs flushed, node freed
///     walk      version read, then entry read, then version compared, then entry used
///
/// If a walk reads an entry from a frame that is a node no more, the version was advanced before,
/// and the comparison tells: the walk starts again. Reading does no harm, because the direct map
/// has all memory. A lock that is acquired in the meantime is one of the slot, which has it in any
/// state of the frame. So readers write nothing, wait for no other, and may be interrupted or
/// preempted anywhere. The cost is that of the processor that detaches a node, which flushes whole
/// TLBs anyway.
package struct TreeVersion: Equatable {
  private let number: UInt64

  /// The latest version.
  @inline(__always)
  package init() { number = Self.load() }

  /// Whether no node has been detached since this was the latest version.
  @inline(__always)
  package var isLatest: Bool {
    // SAFETY: the word is atomic.
    // Ordering: acquiring, as in `load`.
    unsafe Processor.isWord(at: Self.latest.place, equalTo: number)
  }

  /// Makes all versions so far old. Called for a node whose entry has just been removed, before its
  /// lock is released.
  static func advance() {
    // Ordering: releasing, pairs with `load`: a walk that sees what becomes of the node also sees
    // the new version. Acquiring, so that nothing after it takes effect before.
    latest.word.wrappingAdd(1, ordering: .acquiringAndReleasing)
  }

  @inline(__always)
  private static func load() -> UInt64 {
    // Ordering: acquiring, pairs with `advance`. The entry before it was loaded by an acquiring
    // load, and stays before it.
    latest.word.load(ordering: .acquiring)
  }

  private static let latest = VersionWord()
}

/// On a cache line of its own, because all walks read it.
private struct VersionWord: ~Copyable {
  private let before = CacheLinePadding()
  let word = Atomic<UInt64>(0)
  private let after = CacheLinePadding()

  /// Where the word is, which is never moved.
  @inline(__always)
  @unsafe var place: UnsafeRawPointer {
    // SAFETY: a static variable has one address for as long as the program runs.
    unsafe withUnsafePointer(to: word) { unsafe UnsafeRawPointer($0) }
  }
}
