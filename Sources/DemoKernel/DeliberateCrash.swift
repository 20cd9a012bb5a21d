internal import DemoPlatform
internal import TesseraHardware

/// Crashes on request, so that a person or a test can see what a crash leaves.
///
/// The request is a word of the kernel's command line: `crash=divide`, `page-fault`, `write-text`,
/// `execute-data`, `stack-overflow`, `panic`, `trap`, `not-canonical`, `failure` or `refusal`.
enum DeliberateCrash {
  /// Crashes if the command line that the loader left says so.
  static func perform(magic: UInt32, information: UInt32) {
    guard let word = request(magic: magic, information: information) else { return }
    var console = Console()
    console.write("tessera: crashing on request\n")
    crash(word)
  }

  private static func crash(_ word: UInt64) {}

  private static func request(magic: UInt32, information: UInt32) -> UInt64? { nil }
}
