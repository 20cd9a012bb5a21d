internal import Synchronization
internal import TesseraHardware

/// The function that trims, as the address of its code; 0 if there is none.
///
/// Access: atomic.
private let trimmingFunction = Atomic<UInt>(0)

// What uses the allocator, and keeps frames for later on each processor: the heap, if the kernel
// has one.
extension FrameAllocator {
  /// Frees what `processor`, the calling one, keeps, and returns whether that was anything. If it
  /// is a question, only returns whether `processor`, any one, may keep something.
  package typealias Trim = @convention(c) (_ processor: Int, _ isQuestion: Bool) -> Bool

  /// Has `function` called before a request fails, on the processor that asks and on others.
  ///
  /// It is called without the allocator's lock, but wherever a frame is allocated, and wherever a
  /// processor waits for another; it frees frames, and must not allocate.
  package static func trim(by function: Trim) {
    // SAFETY: a C function pointer is one word, the address of its function.
    let address = unsafe unsafeBitCast(function, to: UInt.self)
    // Ordering: relaxed; the function is code.
    trimmingFunction.store(address, ordering: .relaxed)
  }

  /// Has nothing called any more. Nothing else runs.
  static func stopTrimming() {
    // Ordering: relaxed; nothing else runs.
    trimmingFunction.store(0, ordering: .relaxed)
  }

  /// Whether anything trims.
  static var isTrimmed: Bool {
    // Ordering: relaxed; as for the store.
    trimmingFunction.load(ordering: .relaxed) != 0
  }

  /// Frees what this processor keeps. Returns whether it kept something.
  @inline(never)
  static func trim() -> Bool { callTrim(Processor.current, isQuestion: false) }

  /// Whether `processor` may keep something.
  static func mayTrim(_ processor: Int) -> Bool { callTrim(processor, isQuestion: true) }

  private static func callTrim(_ processor: Int, isQuestion: Bool) -> Bool {
    // Ordering: relaxed; as for the store.
    let address = trimmingFunction.load(ordering: .relaxed)
    guard address != 0 else { return false }
    // SAFETY: `trim(by:)` stored the function's address.
    return unsafe unsafeBitCast(address, to: Trim.self)(processor, isQuestion)
  }
}
