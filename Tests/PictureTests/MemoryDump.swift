import Foundation

/// What the demo kernel says of its memory as lines of JSON, and the sums of it.
struct MemoryDump {
  private struct Line: Decodable {
    var format: String?
    var start: String?
    var end: String?
    var bytes: UInt64?
    var status: UInt32?
    var read: Bool?
    var write: Bool?
    var execute: Bool?
    var frames: UInt64?
    var state: String?
    var usage: String?

    var rights: String {
      if status != nil { return "status" }
      return (read == true ? "r" : "-") + (write == true ? "w" : "-")
        + (execute == true ? "x" : "-")
    }

    var usageName: String? { usage == "unused" && state == "free" ? "free" : usage }
  }

  /// By the names that pictures use.
  private(set) var totals: [String: UInt64] = [:]
  /// The ranges of pages, in their order.
  private(set) var ranges: [String] = []
  /// What contradicts itself.
  private(set) var contradictions: [String] = []
  private var spaceCount = 0

  /// Throws if a line is not JSON.
  init(_ text: String) throws {
    var expected: UInt64 = 0
    var isInFrames = false
    for line in text.split(separator: "\n") {
      let line = try JSONDecoder().decode(Line.self, from: Data(line.utf8))
      switch line.format {
      case "tessera-page-tables": spaceCount += 1
      case "tessera-frames":
        isInFrames = true
        expected = line.frames ?? 0
      case nil where isInFrames: addFrames(line)
      case nil: addRange(line)
      default: contradictions.append("unknown format \(line.format ?? "")")
      }
    }
    if totals["frames"] != expected { contradictions.append("not \(expected) frames") }
  }

  private mutating func addRange(_ line: Line) {
    guard let start = line.start, let end = line.end, let bytes = line.bytes else { return }
    let space = spaceCount - 1
    checkLength(of: line, bytes)
    ranges.append("\(start)-\(end)")
    totals["\(space).ranges", default: 0] += 1
    totals["\(space).\(line.rights)", default: 0] += bytes / 1024
    if line.status == nil { totals["\(space).KiB", default: 0] += bytes / 1024 }
  }

  private mutating func addFrames(_ line: Line) {
    guard let count = line.frames, let state = line.state, let usage = line.usageName else {
      contradictions.append("a run of frames without frames, state or usage")
      return
    }
    checkLength(of: line, count * 4096)
    if Self.address(line.start) != totals["frames", default: 0] * 4096 {
      contradictions.append("the frames at \(line.start ?? "") do not follow those before")
    }
    totals["frames", default: 0] += count
    totals["usage.\(usage)", default: 0] += count
    totals["state.\(state)", default: 0] += count
  }

  private mutating func checkLength(of line: Line, _ bytes: UInt64) {
    guard let start = Self.address(line.start), let end = Self.address(line.end),
      end &- start == bytes
    else {
      contradictions.append("\(line.start ?? "") to \(line.end ?? "") is not \(bytes) bytes")
      return
    }
  }

  private static func address(_ text: String?) -> UInt64? {
    text.flatMap { UInt64($0.dropFirst(2), radix: 16) }
  }

  /// How `picture` differs.
  func differences(from picture: Picture) -> [String] {
    var differences = contradictions
    let drawn = picture.totals
    for name in Set(totals.keys).union(drawn.keys).sorted() where drawn[name] != totals[name] {
      let number: UInt64 = (drawn[name] ?? 0) ?? 0
      differences.append("\(name) is \(totals[name, default: 0]), drawn is \(number)")
    }
    if picture.ranges != ranges { differences.append("the ranges are others") }
    return differences
  }
}
