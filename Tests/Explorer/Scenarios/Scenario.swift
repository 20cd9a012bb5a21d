/// A small program for several processors, of which all schedules are tried.
struct Scenario {
  let name: StaticString
  let about: StaticString
  var processorCount = 2
  /// The number of frames of the machine.
  var frameCount = 64
  /// Whether it is tried with store buffers, too.
  var hasStoreBuffers = false
  /// Whether processors keep translations under process-context identifiers.
  var hasContextIdentifiers = false
  /// Whether each outcome has to be one that the calls have one after another, in some order.
  var isLinear = true
  /// Whether a processor may keep translations of what it has not been told to flush.
  var checksCoherence = true
  /// Whether it is small enough to be tried without reduction, too.
  var isCompared = false
  /// Whether it has a fifth of the usual time: all schedules would take hours in any case.
  var isBrief = false
  /// The word of the explorer's verdict that has to come, for a scenario that is wrong on purpose.
  var expected: StaticString?
  /// Makes what the processors share. The machine, its kernel space and its processors exist.
  let prepare: (World) throws -> Void
  /// What a processor does when it is interrupted, besides answering the library's requests.
  var whenInterrupted: ((World) -> Void)?
  /// What each processor does.
  let body: (World, _ processor: Int) -> Void
  /// What is wrong after a schedule, besides what is always checked.
  var check: (World) -> String? = { _ in nil }
}
