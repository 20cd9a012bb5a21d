// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraBoot
internal import TesseraHardware
internal import TesseraHeader

/// Why the last call of `tessera_start` failed.
enum StartError {
  /// Access: by the one processor that starts Tessera.
  nonisolated(unsafe) private static var sentence: StaticString = ""
  /// Access: by the one processor that starts Tessera.
  nonisolated(unsafe) private static var number: UInt64 = 0

  /// The sentence, which ends with a zero byte, and the number.
  static var last: (sentence: StaticString, number: UInt64) {
    // SAFETY: nothing else runs, or writes.
    unsafe (sentence, number)
  }

  static func note(_ newSentence: StaticString, _ newNumber: UInt64 = 0) {
    // SAFETY: nothing else runs.
    unsafe (sentence, number) = (newSentence, newNumber)
  }

  /// Notes `error`, with the name of a field if one is wrong.
  static func note(_ error: BootError, of directMap: BootDirectMap) {
    let sentence: StaticString =
      switch error {
      case .invalidDirectMap where directMap.isBuilt:
        "direct_map is no multiple of 4096, or built_direct_map none of 1 GiB with room above"
      case .invalidProcessorCount: "processor_count is more than 512"
      case .invalidDirectMap: "direct_map is not a multiple of 4096"
      case .invalidText:
        "text_start to text_end, or rodata_start to rodata_end, are not pages of the kernel half"
      case .invalidKernelLowEnd: "kernel_low_end lies beyond the lower half"
      default: error.description
      }
    note(sentence, error.address ?? 0)
  }
}

/// Throws `result` unless `condition` holds, and notes why.
func check(
  _ condition: Bool, _ result: Int, _ sentence: StaticString, _ number: UInt64 = 0
) throws(APIError) {
  if condition { return }
  StartError.note(sentence, number)
  throw APIError(result)
}

@c @implementation @unsafe
public func tessera_start_error(
  _ number: UnsafeMutablePointer<UInt64>?
) -> UnsafePointer<CChar>! {
  let last = StartError.last
  unsafe CallerOut.write(last.number, to: number)
  // SAFETY: a literal is immortal and ends in a zero byte; `UInt8` and `CChar` have one layout.
  return unsafe UnsafeRawPointer(last.sentence.utf8Start).assumingMemoryBound(to: CChar.self)
}

extension BootDirectMap {
  fileprivate var isBuilt: Bool {
    if case .build = self { true } else { false }
  }
}
