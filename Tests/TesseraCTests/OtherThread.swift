import CTessera
import TesseraHeader

/// What another thread of the processor does when preemption is turned on again.
enum OtherThread {
  nonisolated(unsafe) private static var body: (() -> Void)?
  nonisolated(unsafe) private static var countdown = 0

  /// Calls `call`, and `body` once, when preemption is turned on for the time `ordinal`, from one.
  /// Returns whether it was.
  static func runs(_ body: @escaping () -> Void, at ordinal: Int, during call: () -> Void) -> Bool {
    self.body = body
    countdown = ordinal
    let processor = simulated_current_processor()
    processor.pointee.preemption_point = {
      OtherThread.countdown -= 1
      if OtherThread.countdown == 0 { OtherThread.body?() }
    }
    call()
    processor.pointee.preemption_point = nil
    self.body = nil
    return countdown <= 0
  }

  /// As `runs`, for every ordinal that `call` reaches. Calls `check` with each result. Returns the
  /// number of ordinals.
  static func runsEverywhere(
    _ body: @escaping () -> Void, during call: () -> tessera_result,
    then check: (tessera_result) -> Void
  ) -> Int {
    var ordinal = 0
    var isReached = true
    while isReached {
      ordinal += 1
      var result = tessera_result(TESSERA_OK)
      isReached = runs(body, at: ordinal, during: { result = call() })
      check(result)
    }
    return ordinal - 1
  }
}
