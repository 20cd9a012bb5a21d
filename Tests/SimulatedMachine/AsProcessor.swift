import CTessera

/// Runs `body` as processor `number` of the machine, and makes the calling thread the processor
/// that it was again.
///
/// `body` cannot suspend: another test may use the thread next, and a test that was suspended may
/// resume on another thread.
@discardableResult
public func asProcessor<Result>(_ number: Int, _ body: () throws -> Result) rethrows -> Result {
  let previous = simulated_current_processor().pointee.number
  simulated_current_processor().pointee.number = UInt32(number)
  defer { simulated_current_processor().pointee.number = previous }
  return try body()
}
