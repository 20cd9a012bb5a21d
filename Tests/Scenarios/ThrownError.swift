internal import TesseraFrames
internal import TesseraHardware

/// The error of an attempt that is expected to throw.
enum ThrownError {
  /// The error that `attempt` throws, or nil if it succeeds.
  static func of(_ attempt: () throws(TesseraError) -> Void) -> TesseraError? {
    do {
      try attempt()
      return nil
    } catch {
      return error
    }
  }
}
