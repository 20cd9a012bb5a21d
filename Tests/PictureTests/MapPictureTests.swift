import Foundation
import Testing

/// What `make map` draws.
@Suite("The picture of memory") struct MapPictureTests {
  private static let jsonPath = "Tests/PictureTests/memory.json"
  private static let kept = try? MemoryDump(Project.text(jsonPath))
  private static let picturePath = "Sources/Tessera/Tessera.docc/memory-map.svg"
  private static let darkPath = "Sources/Tessera/Tessera.docc/memory-map~dark.svg"

  @Test(arguments: [picturePath, darkPath])
  func `the picture that is kept has the numbers of its JSON`(path: String) throws {
    let dump = try #require(Self.kept)
    let picture = try #require(try Picture(Project.text(path)), "not well-formed")
    #expect(dump.totals.count > 20 && dump.ranges.count > 10)
    #expect(dump.differences(from: picture) == [])
  }

  @Test func `the picture that is kept is what the script draws today`() throws {
    let drawn = try Project.output(of: "awk", "-f", "boot/map.awk", Self.jsonPath)
    let isKept = try drawn == Project.text(Self.picturePath)
    #expect(isKept, "draw it anew: awk -f boot/map.awk \(Self.jsonPath)")
    let dark = try Project.output(of: "sed", "-f", "linker/dark.sed", Self.picturePath)
    let isDarkKept = try dark == Project.text(Self.darkPath)
    #expect(isDarkKept, "make it anew: sed -f linker/dark.sed \(Self.picturePath)")
  }

  @Test(arguments: [
    ("\"frames\":2053", "\"frames\":2052"),
    ("\"usage\":\"metadata\"", "\"usage\":\"kernel\""),
    ("\"state\":\"unique\"", "\"state\":\"shared\""),
    ("\"bytes\":16384,\"read\":true", "\"bytes\":20480,\"read\":true"),
    ("\"write\":false,\"execute\":true", "\"write\":true,\"execute\":true"),
    ("\"bytes\":245760,\"status\":1", "\"bytes\":245760,\"read\":true"),
    ("\"start\":\"0x600000\"", "\"start\":\"0x601000\""),
    ("\"format\":\"tessera-frames\"", "\"format\":\"frames\""),
  ])
  func `a change of the JSON is detected`(old: String, new: String) throws {
    let text = try Project.text(Self.jsonPath)
    let changed = text.replacing(old, with: new, maxReplacements: 1)
    #expect(changed != text)
    let picture = try #require(try Picture(Project.text(Self.picturePath)))
    #expect(try MemoryDump(changed).differences(from: picture) != [])
  }

  @Test(arguments: [
    (">2,053<", ">2,054<"), ("data-total=\"usage.free\"", "data-total=\"usage.rest\""),
    ("data-total=\"0.ranges\"", "data-total=\"0.KiB\""),
    ("data-range=\"0x600000-", "data-range=\"0x601000-"),
  ])
  func `a change of the picture is detected`(old: String, new: String) throws {
    let text = try Project.text(Self.picturePath)
    let changed = text.replacing(old, with: new, maxReplacements: 1)
    #expect(changed != text)
    let picture = try #require(Picture(changed))
    #expect(try #require(Self.kept).differences(from: picture) != [])
  }

  @Test func `nothing is drawn if a part is missing`() {
    #expect(throws: Project.Failure.self) {
      try Project.output(of: "awk", "-f", "boot/map.awk", "/dev/null")
    }
  }

  /// `make test` sets the variable, after it has drawn a picture of a kernel that ran.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["TESSERA_MAP"] != nil))
  func `what make map has drawn has the numbers of the log`() throws {
    let dump = try MemoryDump(Project.text("build/map.json"))
    let picture = try #require(try Picture(Project.text("build/map.svg")), "not well-formed")
    #expect(dump.differences(from: picture) == [])
    let log = try Project.text("build/map.log").filter { $0 != "," && $0 != "\r" }
    for space in 0..<2 {
      let count = dump.totals["\(space).ranges", default: 0]
      let size = dump.totals["\(space).KiB", default: 0]
      #expect(log.contains("  \(count) ranges \(size) KiB mapped "))
    }
    let metadata = dump.totals["usage.metadata", default: 0]
    let line = try #require(log.split(separator: "\n").first { $0.contains(" metadata (") })
    #expect(line.contains(" \(dump.totals["frames", default: 0]) frames: "))
    #expect(line.contains(" usable \(metadata) metadata "))
  }
}
