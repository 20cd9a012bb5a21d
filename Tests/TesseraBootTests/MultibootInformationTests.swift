import MultibootFuzz
import TesseraBoot
import TesseraFrames
import TesseraHardware
import Testing

/// Reads `image` as the kernel does.
func information(
  of image: MultibootImage
) throws(TesseraError) -> MultibootInformation<ByteMemory> {
  try MultibootInformation(
    magic: image.magic, address: image.base,
    memory: ByteMemory(image.bytes, at: UInt64(image.base)))
}

/// The image of a loader of `version`.
func image(
  _ version: MultibootVersion, _ contents: MultibootImage.Contents, at base: UInt32 = 0x1_0000
) -> MultibootImage {
  switch version {
  case .one: MultibootImage(version1: contents, at: base)
  case .two: MultibootImage(version2: contents, at: base)
  }
}

extension MemoryRegionSource {
  /// The regions that are neither empty nor boot information.
  var ofTheMachine: [MemoryRegion] { all.filter { !$0.isEmpty && $0.kind != .bootInformation } }
}

extension BootText {
  var string: String { String(decoding: (0..<byteCount).map { self[$0] }, as: UTF8.self) }
}

@Suite("Multiboot information") struct MultibootInformationTests {
  static let machine: [MultibootImage.Contents.Entry] = [
    .init(0x10_0000, 0x7ee_0000, 1), .init(0, 0x9_fc00, 1), .init(0x9_fc00, 0x400, 2),
    .init(0x1_0000_0000, 0x2_4000_0000, 1), .init(0x7ff_0000, 0x1_0000, 3),
    .init(0x7fe_0000, 0x1_0000, 4), .init(0x900_0000, 0x1000, 5), .init(0xa00_0000, 0x1000, 0),
    .init(0xb00_0000, 0x1000, 6), .init(0xc00_0000, 0x1000, 0xffff_ffff), .init(0x5000, 0, 2),
  ]

  /// The regions of `machine`, in the same order, without the empty entry.
  static let regions: [MemoryRegion] = [
    region(0x10_0000, 0x7fe_0000, .usable), region(0, 0x9_fc00, .usable),
    region(0x9_fc00, 0xa_0000, .reserved), region(0x1_0000_0000, 0x3_4000_0000, .usable),
    region(0x7ff_0000, 0x800_0000, .acpiReclaimable),
    region(0x7fe_0000, 0x7ff_0000, .acpiNonVolatile),
    region(0x900_0000, 0x900_1000, .defective), region(0xa00_0000, 0xa00_1000, .reserved),
    region(0xb00_0000, 0xb00_1000, .reserved), region(0xc00_0000, 0xc00_1000, .reserved),
  ]

  @Test(arguments: [MultibootVersion.one, .two], [20, 24, 32, 40])
  func `the map is read with the loader's stride`(
    version: MultibootVersion, entryByteCount: Int
  ) throws {
    var contents = MultibootImage.Contents()
    contents.entries = Self.machine
    contents.entryByteCount = entryByteCount
    let found = try information(of: image(version, contents))
    #expect(found.version == version)
    #expect(found.entryCount == Self.machine.count)
    #expect(found.ofTheMachine == Self.regions)
  }

  @Test(arguments: [MultibootVersion.one, .two])
  func `without a map the two memory sizes are used`(version: MultibootVersion) throws {
    var contents = MultibootImage.Contents()
    contents.sizes = (639, 0xffff_ffff)
    let found = try information(of: image(version, contents))
    #expect(found.entryCount == 2)
    #expect(
      found.ofTheMachine == [
        region(0, 639 * 1024, .usable),
        region(0x10_0000, 0x10_0000 + 0xffff_ffff * 1024, .usable),
      ])

    // With a map, the sizes are ignored.
    contents.entries = [.init(0x10_0000, 0x1000, 1)]
    #expect(
      try information(of: image(version, contents)).ofTheMachine
        == [region(0x10_0000, 0x10_1000, .usable)])
  }

  @Test func `an empty map in version 1 counts as missing`() throws {
    var contents = MultibootImage.Contents()
    contents.entries = []
    #expect(throws: TesseraError.multiboot(.noMemoryMap)) {
      _ = try information(of: image(.one, contents))
    }
    contents.sizes = (1, 1)
    #expect(try information(of: image(.one, contents)).entryCount == 2)
  }

  @Test(arguments: [MultibootVersion.one, .two], [312, 10_000])
  func `any number of entries is supported`(version: MultibootVersion, count: Int) throws {
    var contents = MultibootImage.Contents()
    contents.entries = (0..<count).map { .init(UInt64($0) << 13, 0x1000, $0 % 2 == 0 ? 1 : 2) }
    let found = try information(of: image(version, contents))
    #expect(found.entryCount == count)
    #expect(
      found.ofTheMachine
        == (0..<count).map {
          region(UInt64($0) << 13, UInt64($0) << 13 + 0x1000, $0 % 2 == 0 ? .usable : .reserved)
        })
  }

  @Test(arguments: [MultibootVersion.one, .two])
  func `modules, command line and names are read`(version: MultibootVersion) throws {
    var contents = MultibootImage.Contents()
    contents.entries = Self.machine
    contents.modules = [
      .init(0x20_0000, 0x20_1234, "first one"), .init(0x30_0000, 0xffff_ffff, ""),
      .init(0, 0, "empty file"),
    ]
    contents.commandLine = "kernel seed=42 quiet"
    contents.loaderName = "a loader"
    let found = try information(of: image(version, contents))
    #expect(found.commandLine.string == "kernel seed=42 quiet")
    #expect(found.loaderName.string == "a loader")
    var modules: [(UInt64, UInt64, String)] = []
    found.forEachModule {
      modules.append(($0.start.rawValue, $0.end.rawValue, $0.commandLine.string))
    }
    #expect(modules.map(\.0) == [0x20_0000, 0x30_0000, 0])
    #expect(modules.map(\.1) == [0x20_1234, 0xffff_ffff, 0])
    #expect(modules.map(\.2) == ["first one", "", "empty file"])
    #expect(found.all.filter { $0.kind == .module }.count == 3)
  }

  @Test(arguments: [MultibootVersion.one, .two])
  func `missing parts are empty`(version: MultibootVersion) throws {
    var contents = MultibootImage.Contents()
    contents.entries = Self.machine
    let found = try information(of: image(version, contents))
    #expect(found.commandLine.byteCount == 0)
    #expect(found.loaderName.byteCount == 0)
    found.forEachModule { _ in Issue.record("unexpected module") }
  }

  @Test(arguments: [MultibootVersion.one, .two])
  func `all boot information and every module are reserved`(
    version: MultibootVersion
  ) throws {
    let base: UInt32 = 0x40_0000
    var contents = MultibootImage.Contents()
    contents.entries = [.init(0x10_0000, 0x1000_0000, 1)]
    // Long enough for each part to have its own page.
    contents.entries! += (0..<400).map { .init(0x2000_0000 + UInt64($0) << 12, 0x800, 2) }
    contents.commandLine = String(repeating: "c", count: 4000)
    contents.loaderName = String(repeating: "l", count: 4000)
    contents.modules = (0..<120).map { index in
      let start = 0x80_0000 + UInt32(index) * 0x3000
      return .init(
        start, start + 0x1801, index % 40 == 0 ? String(repeating: "m", count: 3000) : "")
    }
    let left = image(version, contents, at: base)
    let found = try information(of: left)
    var reached = UInt64(base)
    for kept in found.all.filter({ $0.kind == .bootInformation && !$0.isEmpty })
      .sorted(by: { $0.start < $1.start })
    where kept.start.rawValue <= reached { reached = max(reached, kept.end.rawValue) }
    #expect(reached == UInt64(base) + UInt64(left.bytes.count))

    let map = MemoryMap(found).all
    let usable = map.filter { $0.kind == .usable }
    let end = UInt64(base) + UInt64(left.bytes.count)
    for region in usable {
      #expect(region.end.rawValue <= UInt64(base) || region.start.rawValue >= end)
    }
    #expect(map.filter { $0.kind == .module }.count == 120)
    #expect(map.filter { $0.kind == .module }.allSatisfy { $0.byteCount == 0x2000 })
    #expect(usable.contains { $0.end.rawValue == UInt64(base) })
    #expect(usable.contains { $0.start.rawValue == (end + 4095) & ~4095 })
  }

  @Test func `an unknown tag is skipped`() throws {
    var contents = MultibootImage.Contents()
    contents.entries = Self.machine
    contents.commandLine = "x"
    var strange = image(.two, contents)
    strange.set(77, at: strange.textOffset)
    let found = try information(of: strange)
    #expect(found.commandLine.byteCount == 0)
    #expect(found.ofTheMachine == Self.regions)
  }

  @Test func `memory after the end tag is not reserved`() throws {
    var contents = MultibootImage.Contents()
    contents.entries = [.init(0, 0x1000_0000, 1)]
    var image = image(.two, contents)
    let end = UInt64(image.base) + UInt64(image.bytes.count)
    image.set(0x10_0000, at: 0)
    let kept = try information(of: image).all.filter { $0.kind == .bootInformation && !$0.isEmpty }
    #expect(kept == [region(UInt64(image.base), end, .bootInformation)])
  }

  @Test func `information that changes after it was checked traps`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      var contents = MultibootImage.Contents()
      contents.entries = [.init(0, 0x1000, 1)]
      let image = MultibootImage(version1: contents)
      let memory = FadingMemory(ByteMemory(image.bytes, at: UInt64(image.base)))
      let information = try MultibootInformation(
        magic: image.magic, address: image.base, memory: memory)
      memory.isGone = true
      information.forEachRegion { _ in }
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("the loader's information changed after it was checked"))
  }
}

/// Memory that can be removed.
private final class FadingMemory: BootMemory {
  private let memory: ByteMemory
  var isGone = false

  init(_ memory: ByteMemory) { self.memory = memory }

  func byte(at address: UInt64) -> UInt8? { isGone ? nil : memory.byte(at: address) }
}

extension MultibootInformationTests {
  @Test(arguments: [MultibootVersion.one, .two], [true, false])
  func `sections beside the image and the frame buffer are reserved`(
    version: MultibootVersion, is64Bit: Bool
  ) throws {
    var contents = MultibootImage.Contents()
    contents.entries = [.init(0x10_0000, 0x7f0_0000, 1)]
    contents.is64Bit = is64Bit
    contents.sections = [
      .init(0, flags: 0, 0, 0), .init(1, flags: 6, 0x8010_0000, 0x4000),
      .init(2, flags: 0, 0x20_0000, 0x1800, link: 3), .init(3, flags: 0, 0x20_2004, 0x100),
      .init(1, flags: 0, 0, 0x700),
    ]
    contents.frameBuffer = (0x40_0000, 4096, 16)
    let image = image(version, contents)
    let found = try information(of: image)
    let kept = [
      region(0x20_0000, 0x20_1800, .bootInformation),
      region(0x20_2004, 0x20_2104, .bootInformation), region(0x40_0000, 0x41_0000, .reserved),
    ]
    for region in kept { #expect(found.all.contains(region)) }
    #expect(!found.all.contains { $0.start.rawValue == 0x8010_0000 })
    let symbols = try #require(found.symbols)
    #expect(symbols.entries == kept[0].start..<kept[0].end)
    #expect(symbols.names == kept[1].start..<kept[1].end)
    #expect(symbols.is64Bit == is64Bit)
    // The headers themselves are kept.
    let headers = UInt64(image.base) + UInt64(image.sectionsOffset)
    #expect(
      found.all.contains {
        $0.kind == .bootInformation && $0.start.rawValue <= headers
          && headers + 5 * (is64Bit ? 64 : 40) <= $0.end.rawValue
      })
  }

  @Test func `the root pointer of the latest revision is found in any order`() throws {
    let old = (type: UInt32(14), bytes: [UInt8](repeating: 14, count: 20))
    let new = (type: UInt32(15), bytes: [UInt8](repeating: 15, count: 36))
    var contents = MultibootImage.Contents()
    contents.entries = Self.machine
    #expect(try information(of: image(.two, contents)).acpiRootPointer == nil)
    for (pointers, first) in [([old], 14), ([old, new], 15), ([new, old], 15)] {
      contents.rootPointers = pointers
      let image = image(.two, contents)
      let address = try #require(try information(of: image).acpiRootPointer).rawValue
      #expect(image.bytes[Int(address) - Int(image.base)] == first)
    }
  }

  @Test(arguments: [(14, 19), (15, 35)])
  func `a root pointer that is cut off is an error`(type: UInt32, byteCount: Int) throws {
    var contents = MultibootImage.Contents()
    contents.entries = []
    contents.rootPointers = [(type, [UInt8](repeating: 1, count: byteCount))]
    #expect(throws: TesseraError.multiboot(.tagTooSmall(offset: 24))) {
      try information(of: image(.two, contents))
    }
  }

  @Test(arguments: [MultibootVersion.one, .two])
  func `sections and frame buffers beyond physical addresses are errors`(
    version: MultibootVersion
  ) throws {
    var contents = MultibootImage.Contents()
    contents.entries = [.init(0x10_0000, 0x7f0_0000, 1)]
    contents.frameBuffer = ((1 << 52) - 4096, 4096, 2)
    #expect(throws: TesseraError.multiboot(.badFrameBuffer(address: (1 << 52) - 4096))) {
      _ = try information(of: image(version, contents))
    }
    contents.frameBuffer = nil
    contents.sections = [.init(1, flags: 0, 1 << 51, 1 << 52)]
    #expect(throws: TesseraError.multiboot(.badSection(index: 0))) {
      _ = try information(of: image(version, contents))
    }
    contents.sections[0].flags = 2
    var spoiled = image(version, contents)
    #expect(try information(of: spoiled).symbols?.names == nil)
    spoiled.set(48, at: version == .one ? 32 : spoiled.sectionsOffset - 8)
    #expect(throws: TesseraError.multiboot(.badSections(byteCount: 48))) {
      _ = try information(of: spoiled)
    }
  }

  @Test func `a command line may have 65535 bytes, and no more`() throws {
    var contents = MultibootImage.Contents()
    contents.entries = [.init(0x10_0000, 0x7f0_0000, 1)]
    contents.commandLine = String(repeating: "x", count: 65535)
    #expect(try information(of: image(.one, contents)).commandLine.byteCount == 65535)
    contents.commandLine? += "x"
    let long = image(.one, contents)
    #expect(throws: TesseraError.multiboot(.textTooLong(address: UInt64(long.word(at: 16))))) {
      _ = try information(of: long)
    }
  }
}
