import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension LoadedMachine {
  /// A machine on which Tessera runs.
  static func started() throws -> LoadedMachine {
    let machine = LoadedMachine()
    try #require(machine.start() == TESSERA_OK)
    return machine
  }
}

func expect(
  _ status: tessera_result, _ expected: Int, _ comment: @autoclosure () -> String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  if Int(status) == expected { return }
  let found = String(cString: tessera_strerror(status))
  let wanted = String(cString: tessera_strerror(tessera_result(expected)))
  Issue.record(
    "\(comment()) answered \(status) (\(found)), not \(expected) (\(wanted))",
    sourceLocation: sourceLocation)
}
