internal import Synchronization
internal import TesseraHeader

/// The first word of a structure in the kernel's memory, by which Tessera knows whether the
/// structure is in use.
///
/// It holds the structure's seal, a number computed from its address, while the structure is in
/// use; anything else if it is not. A call that creates or destroys the structure first claims it
/// by an atomic exchange, so that of several threads that do so at once only one succeeds.
@safe
struct Seal {
  private let word: UnsafeMutablePointer<Atomic<UInt64>>

  /// The word at the start of the structure at `storage`, memory that the caller lends.
  @inline(__always)
  @unsafe init(of storage: UnsafeMutableRawPointer) {
    unsafe word = storage.assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  /// Returns whether the word is `seal`.
  @inline(__always)
  func isEqual(to seal: UInt64) -> Bool {
    // SAFETY: the caller lends the memory.
    // Ordering: acquiring, pairs with `set`, so that the structure is complete.
    unsafe word.pointee.load(ordering: .acquiring) == seal
  }

  /// Claims a structure that is not in use, to create it. Returns the word as it was.
  ///
  /// - Throws: `IN_USE` if the word is `seal`, or another call has claimed the structure.
  func claimUnused(unless seal: UInt64) throws(APIError) -> UInt64 {
    // SAFETY: the caller lends the memory.
    // Ordering: relaxed; the exchange below orders.
    let found = unsafe word.pointee.load(ordering: .relaxed)
    try check(found != seal && found != claimed, TESSERA_ERROR_IN_USE)
    try check(exchange(found), TESSERA_ERROR_IN_USE)
    return found
  }

  /// Claims a structure in use, to destroy it. Returns false if the word is not `seal`.
  func claimUsed(with seal: UInt64) -> Bool { exchange(seal) }

  /// Ends a claim, and makes the word `value`.
  func set(_ value: UInt64) {
    // SAFETY: the caller lends the memory, and has claimed the structure.
    // Ordering: releasing, pairs with `isEqual` and `exchange`, so that the next user sees what
    // this one wrote.
    unsafe word.pointee.store(value, ordering: .releasing)
  }

  /// Replaces `found` by the mark of a claim. Returns false if the word has changed.
  private func exchange(_ found: UInt64) -> Bool {
    // SAFETY: the caller lends the memory.
    // Ordering: acquiring, pairs with `set`.
    unsafe word.pointee.compareExchange(
      expected: found, desired: claimed, ordering: .acquiring
    ).exchanged
  }

  /// The mark of a claim, which is no seal: other bits of it differ from the address.
  private var claimed: UInt64 {
    // SAFETY: only the address is used.
    UInt64(UInt(bitPattern: unsafe word)) ^ 0x2163_6c61_696d_6564
  }
}
