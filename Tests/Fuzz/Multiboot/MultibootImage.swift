/// Boot information as a loader writes it to memory: bytes at an address.
public struct MultibootImage: Sendable {
  public var bytes: [UInt8] = []
  public let base: UInt32
  public let magic: UInt32
  /// The offsets of the parts in `bytes`.
  public private(set) var mapOffset = 0
  public private(set) var modulesOffset = 0
  public private(set) var textOffset = 0
  public private(set) var sectionsOffset = 0

  public static let version1Magic: UInt32 = 0x2bad_b002
  public static let version2Magic: UInt32 = 0x36d7_6289

  /// The contents to encode.
  public struct Contents: Sendable {
    public struct Entry: Sendable {
      public var start: UInt64
      public var byteCount: UInt64
      public var type: UInt32

      public init(_ start: UInt64, _ byteCount: UInt64, _ type: UInt32) {
        self.start = start
        self.byteCount = byteCount
        self.type = type
      }
    }

    public struct Module: Sendable {
      public var start: UInt32
      public var end: UInt32
      public var name: String?

      public init(_ start: UInt32, _ end: UInt32, _ name: String?) {
        self.start = start
        self.end = end
        self.name = name
      }
    }

    /// A section that the loader has loaded, or a part of the image.
    public struct Section: Sendable {
      public var type: UInt32
      public var flags: UInt64
      public var start: UInt64
      public var byteCount: UInt64
      public var link: UInt32

      public init(
        _ type: UInt32, flags: UInt64, _ start: UInt64, _ byteCount: UInt64, link: UInt32 = 0
      ) {
        self.type = type
        self.flags = flags
        self.start = start
        self.byteCount = byteCount
        self.link = link
      }
    }

    public var sections: [Section] = []
    /// Whether section headers are those of an image of 64 bits.
    public var is64Bit = true
    public var frameBuffer: (start: UInt64, lineByteCount: UInt32, lineCount: UInt32)?
    /// Tags with a copy of the ACPI root pointer, which version 2 alone has.
    public var rootPointers: [(type: UInt32, bytes: [UInt8])] = []
    public var entries: [Entry]?
    /// The size of an entry in bytes, without the size field before it.
    public var entryByteCount = 20
    public var sizes: (lower: UInt32, upper: UInt32)?
    public var modules: [Module] = []
    public var commandLine: String?
    public var loaderName: String?

    public init() {}
  }

  /// Encodes version 1: fields at fixed offsets, which point to the rest.
  public init(version1 contents: Contents, at base: UInt32 = 0x1_0000) {
    self.base = base
    magic = Self.version1Magic
    bytes = [UInt8](repeating: 0, count: 116)
    var flags: UInt32 = 0
    if let sizes = contents.sizes {
      flags |= 1 << 0
      set(sizes.lower, at: 4)
      set(sizes.upper, at: 8)
    }
    if let entries = contents.entries {
      flags |= 1 << 6
      mapOffset = bytes.count
      for entry in entries {
        add(UInt32(contents.entryByteCount))
        add(entry, byteCount: contents.entryByteCount)
      }
      set(UInt32(bytes.count - mapOffset), at: 44)
      set(base + UInt32(mapOffset), at: 48)
    }
    if !contents.modules.isEmpty {
      flags |= 1 << 3
      modulesOffset = bytes.count
      set(UInt32(contents.modules.count), at: 20)
      set(base + UInt32(modulesOffset), at: 24)
      bytes += [UInt8](repeating: 0, count: 16 * contents.modules.count)
      for (index, module) in contents.modules.enumerated() {
        set(module.start, at: modulesOffset + 16 * index)
        set(module.end, at: modulesOffset + 16 * index + 4)
        if let name = module.name { point(from: modulesOffset + 16 * index + 8, to: name) }
      }
    }
    if !contents.sections.isEmpty {
      flags |= 1 << 5
      sectionsOffset = bytes.count
      set(UInt32(contents.sections.count), at: 28)
      set(contents.is64Bit ? 64 : 40, at: 32)
      set(base + UInt32(sectionsOffset), at: 36)
      for section in contents.sections { add(section, is64Bit: contents.is64Bit) }
    }
    if let buffer = contents.frameBuffer {
      flags |= 1 << 12
      set(UInt32(truncatingIfNeeded: buffer.start), at: 88)
      set(UInt32(truncatingIfNeeded: buffer.start >> 32), at: 92)
      set(buffer.lineByteCount, at: 96)
      set(buffer.lineCount, at: 104)
      set(1 << 8, at: 108)
    }
    textOffset = bytes.count
    if let text = contents.commandLine {
      flags |= 1 << 2
      point(from: 16, to: text)
    }
    if let text = contents.loaderName {
      flags |= 1 << 9
      point(from: 64, to: text)
    }
    set(flags, at: 0)
  }

  /// Encodes version 2: a sequence of tags.
  public init(version2 contents: Contents, at base: UInt32 = 0x1_0000) {
    self.base = base
    magic = Self.version2Magic
    bytes = [UInt8](repeating: 0, count: 8)
    if let text = contents.commandLine {
      textOffset = bytes.count
      addTag(1) { $0.add(text) }
    }
    if let text = contents.loaderName { addTag(2) { $0.add(text) } }
    modulesOffset = bytes.count
    for module in contents.modules {
      addTag(3) { image in
        image.add(module.start)
        image.add(module.end)
        image.add(module.name ?? "")
      }
    }
    if let sizes = contents.sizes {
      addTag(4) { image in
        image.add(sizes.lower)
        image.add(sizes.upper)
      }
    }
    if let entries = contents.entries {
      mapOffset = bytes.count
      let stride = max(24, contents.entryByteCount)
      addTag(6) { image in
        image.add(UInt32(stride))
        image.add(0)
        for entry in entries { image.add(entry, byteCount: stride) }
      }
    }
    if let buffer = contents.frameBuffer {
      addTag(8) { image in
        let low = UInt32(truncatingIfNeeded: buffer.start)
        let high = UInt32(truncatingIfNeeded: buffer.start >> 32)
        for word in [low, high, buffer.lineByteCount, 0, buffer.lineCount, 1 << 8] {
          image.add(word)
        }
      }
    }
    if !contents.sections.isEmpty {
      sectionsOffset = bytes.count + 20
      addTag(9) { image in
        for word in [UInt32(contents.sections.count), contents.is64Bit ? 64 : 40, 0] {
          image.add(word)
        }
        for section in contents.sections { image.add(section, is64Bit: contents.is64Bit) }
      }
    }
    for pointer in contents.rootPointers { addTag(pointer.type) { $0.bytes += pointer.bytes } }
    addTag(0) { _ in }
    set(UInt32(bytes.count), at: 0)
  }

  /// Writes `value` at `offset`, little-endian.
  public mutating func set(_ value: UInt32, at offset: Int) {
    for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }

  public func word(at offset: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * $1) }
  }

  private mutating func add(_ value: UInt32) {
    bytes += [0, 0, 0, 0]
    set(value, at: bytes.count - 4)
  }

  private mutating func add(_ text: String) { bytes += Array(text.utf8) + [0] }

  private mutating func add(_ entry: Contents.Entry, byteCount: Int) {
    for value in [entry.start, entry.byteCount] {
      add(UInt32(truncatingIfNeeded: value))
      add(UInt32(truncatingIfNeeded: value >> 32))
    }
    add(entry.type)
    // Not zero, so that a reader with the wrong stride reads garbage.
    bytes += [UInt8](repeating: 0xee, count: max(0, byteCount - 20))
  }

  private mutating func add(_ section: Contents.Section, is64Bit: Bool) {
    func add(_ value: UInt64) {
      self.add(UInt32(truncatingIfNeeded: value))
      if is64Bit { self.add(UInt32(truncatingIfNeeded: value >> 32)) }
    }
    self.add(0)
    self.add(section.type)
    // Flags, address, offset in the file, size; then two words, an alignment and a size.
    for value in [section.flags, section.start, 0, section.byteCount] { add(value) }
    self.add(section.link)
    self.add(0)
    for value in [1, 0] as [UInt64] { add(value) }
  }

  private mutating func point(from offset: Int, to text: String) {
    set(base + UInt32(bytes.count), at: offset)
    add(text)
  }

  private mutating func addTag(_ type: UInt32, _ body: (inout MultibootImage) -> Void) {
    let start = bytes.count
    add(type)
    add(0)
    body(&self)
    set(UInt32(bytes.count - start), at: start + 4)
    while bytes.count % 8 != 0 { bytes.append(0) }
  }
}
