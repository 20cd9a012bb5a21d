import MultibootFuzz
import TesseraBoot
import TesseraHardware
import TestSupport
import Testing

/// A way to corrupt boot information, and the expected error.
struct Corruption: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let version: MultibootVersion
  let expected: MultibootError
  let spoil: @Sendable (inout MultibootImage) -> Void

  init(
    _ description: String, _ version: MultibootVersion, _ expected: MultibootError,
    _ spoil: @escaping @Sendable (inout MultibootImage) -> Void
  ) {
    testDescription = description
    self.version = version
    self.expected = expected
    self.spoil = spoil
  }

  /// Two usable regions, two modules, both strings.
  static let contents: MultibootImage.Contents = {
    var contents = MultibootImage.Contents()
    contents.entries = [.init(0, 0x9_0000, 1), .init(0x10_0000, 0x100_0000, 1)]
    contents.modules = [.init(0x20_0000, 0x21_0000, "one"), .init(0x30_0000, 0x30_0000, "two")]
    contents.commandLine = "quiet"
    contents.loaderName = "loader"
    contents.sizes = (639, 1024)
    return contents
  }()

  static let base: UInt64 = 0x1_0000

  static let version1: [Corruption] = [
    .init("no bytes", .one, .unreadable(address: base)) { $0.bytes = [] },
    .init("the flags are truncated", .one, .unreadable(address: base + 3)) {
      $0.bytes.removeLast($0.bytes.count - 3)
    },
    .init("no flag is set", .one, .noMemoryMap) { $0.set(0, at: 0) },
    .init("all flags, all pointers zero", .one, .noMemoryMap) { image in
      image.bytes = [UInt8](repeating: 0, count: 120)
      image.set(0xffff_fffe, at: 0)
    },
    .init("the map lies outside", .one, .unreadable(address: 0xffff_fff0)) {
      $0.set(0xffff_fff0, at: 48)
    },
    .init("the map is longer than memory", .one, .entryTooSmall(index: 2)) { image in
      image.set(0xffff_ffff, at: 44)
      image.set(0, at: image.mapOffset + 48)
    },
    .init("an entry has no size", .one, .entryTooSmall(index: 0)) { $0.set(0, at: $0.mapOffset) },
    .init("an entry is one byte short", .one, .entryTooSmall(index: 1)) {
      $0.set(19, at: $0.mapOffset + 24)
    },
    .init("an entry is larger than the map", .one, .entryPastEnd(index: 1)) {
      $0.set(21, at: $0.mapOffset + 24)
    },
    .init("an entry of 4 GiB", .one, .entryPastEnd(index: 0)) {
      $0.set(0xffff_ffff, at: $0.mapOffset)
    },
    .init("the map ends within a size", .one, .entryPastEnd(index: 2)) { $0.set(51, at: 44) },
    .init("the map ends within an entry", .one, .entryPastEnd(index: 1)) { $0.set(47, at: 44) },
    .init("a region wraps", .one, .entryWraps(index: 1)) { image in
      image.set(0xffff_ffff, at: image.mapOffset + 36)
      image.set(0xffff_ffff, at: image.mapOffset + 40)
    },
    .init("a region ends beyond 52 bits", .one, .entryWraps(index: 0)) {
      $0.set(0x10_0000, at: $0.mapOffset + 16)
    },
    .init("the modules lie outside", .one, .unreadable(address: 0)) { $0.set(0, at: 24) },
    .init("a million modules", .one, .tooManyModules(count: 1_000_000)) {
      $0.set(1_000_000, at: 20)
    },
    .init("a module ends before it starts", .one, .badModule(index: 1)) {
      $0.set(0x2f_ffff, at: $0.modulesOffset + 20)
    },
    .init("a module of zeros", .one, .badModule(index: 0)) { image in
      for index in 0..<4 { image.set(0, at: image.modulesOffset + 4 * index) }
    },
    .init("a module's text lies outside", .one, .unreadable(address: 0x7000)) {
      $0.set(0x7000, at: $0.modulesOffset + 8)
    },
    .init("the command line lies outside", .one, .unreadable(address: 0xffff_ffff)) {
      $0.set(0xffff_ffff, at: 16)
    },
    .init("the name of the loader has no end", .one, .textTooLong(address: base + 0x400)) {
      image in
      image.bytes += [UInt8](repeating: 0x61, count: 70_000)
      image.set(UInt32(base) + 0x400, at: 64)
    },
  ]

  static let version2: [Corruption] = [
    .init("no bytes", .two, .unreadable(address: base)) { $0.bytes = [] },
    .init("no size", .two, .informationTooSmall(byteCount: 0)) { $0.set(0, at: 0) },
    .init("one byte less than an end tag needs", .two, .informationTooSmall(byteCount: 15)) {
      $0.set(15, at: 0)
    },
    .init("the size ends before the end tag", .two, .noEndTag(byteCount: 0)) {
      $0.set(UInt32($0.bytes.count - 8), at: 0)
    },
    .init("the end tag is of another type", .two, .noEndTag(byteCount: 0)) {
      $0.set(99, at: $0.bytes.count - 8)
    },
    .init("the bytes end before the size does", .two, .unreadable(address: 0)) { image in
      image.bytes.removeLast(8)
    },
    .init("a tag of no bytes", .two, .tagTooSmall(offset: 8)) { $0.set(0, at: 12) },
    .init("a tag of seven bytes", .two, .tagTooSmall(offset: 8)) { $0.set(7, at: 12) },
    .init("a tag of 4 GiB", .two, .tagPastEnd(offset: 8)) { $0.set(0xffff_ffff, at: 12) },
    .init("the end tag is one byte longer than the rest", .two, .tagPastEnd(offset: 0)) {
      $0.set(9, at: $0.bytes.count - 4)
    },
    .init("a module without a range", .two, .tagTooSmall(offset: 0)) {
      $0.set(15, at: $0.modulesOffset + 4)
    },
    .init("a map without a stride", .two, .tagTooSmall(offset: 0)) {
      $0.set(8, at: $0.mapOffset + 4)
    },
    .init("a stride of zero", .two, .entryTooSmall(index: 0)) { $0.set(0, at: $0.mapOffset + 8) },
    .init("a stride that is too short", .two, .entryTooSmall(index: 0)) {
      $0.set(23, at: $0.mapOffset + 8)
    },
    .init("a stride of 4 GiB", .two, .entryPastEnd(index: 0)) {
      $0.set(0xffff_ffff, at: $0.mapOffset + 8)
    },
    .init("a stride that does not divide the map", .two, .entryPastEnd(index: 1)) {
      $0.set(32, at: $0.mapOffset + 8)
    },
    .init("a region wraps", .two, .entryWraps(index: 1)) {
      $0.set(0xffff_ffff, at: $0.mapOffset + 16 + 24 + 12)
    },
    .init("the command line has no end", .two, .textNotTerminated(address: base + 16)) { image in
      image.bytes[image.textOffset + 8 + 5] = 0x61
      image.set(14, at: image.textOffset + 4)
    },
    .init("a module's text has no end", .two, .textNotTerminated(address: 0)) {
      $0.set(16, at: $0.modulesOffset + 4)
    },
    .init("a module ends before it starts", .two, .badModule(index: 0)) {
      $0.set(0, at: $0.modulesOffset + 12)
    },
    .init("two maps", .two, .secondMemoryMap(offset: 0)) { image in
      let map = Array(image.bytes[image.mapOffset..<image.bytes.count - 8])
      image.bytes.insert(contentsOf: map, at: image.bytes.count - 8)
      image.set(UInt32(image.bytes.count), at: 0)
    },
    .init("neither map nor sizes", .two, .noMemoryMap) { image in
      image.set(99, at: image.mapOffset)
      image.set(99, at: image.mapOffset - 16)
    },
  ]

  /// Whether `error` is `expected`, in which a zero stands for a number that depends on the image.
  func matches(_ error: TesseraError) -> Bool {
    guard case .multiboot(let error) = error else { return false }
    return switch (expected, error) {
    case (.noEndTag(0), .noEndTag), (.tagTooSmall(0), .tagTooSmall), (.tagPastEnd(0), .tagPastEnd),
      (.textNotTerminated(0), .textNotTerminated), (.secondMemoryMap(0), .secondMemoryMap),
      (.unreadable(0), .unreadable):
      true
    default: expected == error
    }
  }
}

@Suite("Multiboot errors") struct MultibootErrorTests {
  @Test(arguments: Corruption.version1 + Corruption.version2)
  func `each corruption has its error`(corruption: Corruption) throws {
    var spoiled = image(corruption.version, Corruption.contents)
    _ = try information(of: spoiled)
    corruption.spoil(&spoiled)
    do {
      _ = try information(of: spoiled)
      Issue.record("accepted")
    } catch {
      #expect(corruption.matches(error), "\(error)")
    }
  }

  @Test func `an unknown magic number is an error before anything is read`() {
    let memory = ByteMemory([], at: 0)
    for magic: UInt32 in [0, 0x1bad_b002, 0x36d7_6288, 0xffff_ffff] {
      #expect(throws: TesseraError.multiboot(.wrongMagic(magic))) {
        _ = try MultibootInformation(magic: magic, address: 0, memory: memory)
      }
    }
    #expect(memory.readCount == 0)
  }

  @Test func `version 2 must be aligned to eight bytes`() throws {
    for offset: UInt32 in 1..<8 {
      #expect(throws: TesseraError.multiboot(.misaligned(address: 0x1_0000 + UInt64(offset)))) {
        _ = try information(of: image(.two, Corruption.contents, at: 0x1_0000 + offset))
      }
    }
    #expect(try information(of: image(.two, Corruption.contents, at: 0x1_0008)).entryCount == 2)
  }

  @Test func `information at the end of the address space is an error and does not wrap`() {
    for magic in [MultibootImage.version1Magic, MultibootImage.version2Magic] {
      #expect(throws: TesseraError.multiboot(.unreadable(address: 0xffff_fff8))) {
        _ = try MultibootInformation(
          magic: magic, address: 0xffff_fff8, memory: ByteMemory([0], at: 0))
      }
    }
  }

  @Test(arguments: [MultibootVersion.one, .two])
  func `truncation at any byte is an error`(version: MultibootVersion) throws {
    var contents = Corruption.contents
    contents.sizes = nil
    let whole = image(version, contents)
    for count in 0..<whole.bytes.count {
      var cut = whole
      cut.bytes.removeLast(whole.bytes.count - count)
      do {
        _ = try information(of: cut)
        Issue.record("accepted with \(count) of \(whole.bytes.count) bytes")
      } catch {
        guard case .multiboot(.unreadable(let address)) = error else {
          Issue.record("\(error)")
          continue
        }
        #expect(address >= UInt64(cut.base) + UInt64(count))
      }
    }
  }

  @Test func `every error has a message with the offending number`() {
    let errors: [(MultibootError, String)] = [
      (.wrongMagic(0x1234), "magic number 0x1234"),
      (.misaligned(address: 0x1_0001), "address 0x10001"),
      (.unreadable(address: 0xffff_fff0), "address 0xfffffff0"),
      (.informationTooSmall(byteCount: 7), "bytes 7"),
      (.tagTooSmall(offset: 8), "offset 8"), (.tagPastEnd(offset: 8), "offset 8"),
      (.noEndTag(byteCount: 24), "bytes 24"), (.noMemoryMap, "and no memory size"),
      (.secondMemoryMap(offset: 80), "offset 80"), (.entryTooSmall(index: 3), "index 3"),
      (.entryPastEnd(index: 4), "index 4"), (.entryWraps(index: 5), "index 5"),
      (.badModule(index: 6), "index 6"), (.tooManyModules(count: 70_000), "count 70000"),
      (.textNotTerminated(address: 0x99), "address 0x99"),
      (.textTooLong(address: 0x99), "65535 bytes: address 0x99"),
      (.badSections(byteCount: 48), "bytes 48"), (.badSection(index: 7), "index 7"),
      (.badFrameBuffer(address: 0xf0), "2^52: address 0xf0"),
    ]
    var sentences: Set<String> = []
    for (error, end) in errors {
      var buffer = TextBuffer()
      error.write(to: &buffer)
      #expect(buffer.text.hasSuffix(end))
      #expect(!buffer.text.contains("\n"))
      sentences.insert("\(error.description)")
    }
    #expect(sentences.count == errors.count)
  }
}
