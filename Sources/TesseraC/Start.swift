// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

package import Tessera
internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraSpaces

/// What is remembered of the start.
package enum Start {
  /// Access: written by `tessera_start`, constant afterwards.
  nonisolated(unsafe) private static var hasStarted = false
  /// Access: as above.
  nonisolated(unsafe) private static var totals = FrameTotals()
  /// Access: as above.
  nonisolated(unsafe) private static var invisibleFrames: UInt64 = 0

  /// Refuses unless Tessera was started.
  @inline(__always)
  static func checkStarted() throws(APIError) {
    // SAFETY: constant once the kernel runs.
    try check(unsafe hasStarted, TESSERA_ERROR_NOT_STARTED)
  }

  static func checkNotStarted() throws(APIError) {
    // SAFETY: as above.
    try check(unsafe !hasStarted, TESSERA_ERROR_ALREADY_STARTED)
  }

  /// What became of the frames, and how many usable ones are not visible.
  static var result: (totals: FrameTotals, invisible: UInt64) {
    // SAFETY: as above.
    unsafe (totals, invisibleFrames)
  }

  /// Remembers that Tessera runs, with these results; or that it does not.
  package static func remember(_ started: Bool, _ totals: FrameTotals, invisible: UInt64) {
    // SAFETY: the start runs alone.
    unsafe hasStarted = started
    // SAFETY: as above.
    unsafe self.totals = totals
    // SAFETY: as above.
    unsafe invisibleFrames = invisible
  }
}

@c @implementation @unsafe
public func tessera_start(_ config: UnsafePointer<tessera_config>?) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkNotStarted()
    // SAFETY: the caller lends it; the regions are read during the call alone.
    unsafe try StartConfiguration(tessera_config(at: config)).start()
  }
}

@c @implementation
public func tessera_start_processor() -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    ProcessorSetup.run()
  }
}
