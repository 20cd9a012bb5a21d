internal import DemoPlatform
internal import TesseraHardware

/// Counts checks, and prints those that fail.
struct Checks {
  private var console = Console()
  private(set) var count = 0
  private(set) var failureCount = 0

  /// Counts a check, and prints `claim` if it fails.
  mutating func check(_ holds: Bool, _ claim: StaticString) {
    count += 1
    guard !holds else { return }
    failureCount += 1
    guard failureCount <= 10 else { return }
    console.write("tessera: FAIL: not true: ")
    console.write(claim)
    console.writeLine()
  }
}
