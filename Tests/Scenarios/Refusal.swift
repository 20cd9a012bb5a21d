internal import TesseraFrames

/// What an attempt was refused with.
enum Refusal {
  /// The error that `attempt` throws, or nil if it succeeds.
  static func of(_ attempt: () throws(FrameError) -> Void) -> FrameError? {
    do {
      try attempt()
      return nil
    } catch {
      return error
    }
  }
}
