public import TesseraHardware

extension FrameTable {
  /// Writes what all frames are used for, as lines of JSON: first an object with the keys `format`,
  /// `version` and `frames`, then one for each range of frames that are alike.
  ///
  /// Each has `start`, `end`, `frames`, `state` and `usage`: the state of the reference count, and
  /// the name of a `FrameUsage`. Takes no lock, allocates nothing, and changes nothing.
  public static func dumpJSON(to sink: inout some TextSink & ~Copyable) {
    sink.write("{\"format\":\"tessera-frames\",\"version\":1,\"frames\":")
    sink.write(decimal: frameCount)
    sink.write("}\n")
    var start: UInt64 = 0
    while start < frameCount {
      let content = Content(of: slot(number: start))
      var end = start + 1
      while end < frameCount && Content(of: slot(number: end)) == content { end += 1 }
      content.writeJSON(for: start..<end, to: &sink)
      start = end
    }
  }

  /// What frames of a range have in common.
  private struct Content: Equatable {
    /// The count, or 1 for any number of owners.
    let state: UInt64
    let usage: FrameUsage

    init(of slot: FrameSlotReference) {
      let count = slot.count
      state = ReferenceCount.isShared(count) ? 1 : count
      usage = slot.kind.usage
    }

    func writeJSON(for numbers: Range<UInt64>, to sink: inout some TextSink & ~Copyable) {
      sink.write("{\"start\":\"")
      sink.write(hexadecimal: numbers.lowerBound << 12)
      sink.write("\",\"end\":\"")
      sink.write(hexadecimal: numbers.upperBound << 12)
      sink.write("\",\"frames\":")
      sink.write(decimal: numbers.upperBound - numbers.lowerBound)
      sink.write(",\"state\":\"")
      sink.write(stateName)
      sink.write("\",\"usage\":\"")
      sink.write(usage.name)
      sink.write("\"}\n")
    }

    private var stateName: StaticString {
      switch state {
      case ReferenceCount.unused: "unused"
      case ReferenceCount.free: "free"
      case ReferenceCount.unique: "unique"
      case ReferenceCount.tail: "tail"
      case ReferenceCount.inTransition: "inTransition"
      default: "shared"
      }
    }
  }
}

extension FrameUsage {
  /// The name of the usage in Swift.
  fileprivate var name: StaticString {
    switch self {
    case .reserved: "reserved"
    case .object: "object"
    case .pageTable: "pageTable"
    case .metadata: "metadata"
    case .kernel: "kernel"
    case .tail: "tail"
    case .external: "external"
    case .slab: "slab"
    case .heap: "heap"
    default: "unused"
    }
  }
}
