/// The reason why the loader's information is invalid.
public enum MultibootError: Error, Equatable, Sendable {
  /// The magic number is that of neither version.
  case wrongMagic(UInt32)
  /// The information is not 8-byte aligned.
  case misaligned(address: UInt64)
  /// The information, or something it points to, is not in readable memory.
  case unreadable(address: UInt64)
  /// The size of the information is below the minimum.
  case informationTooSmall(byteCount: UInt64)
  /// The size of a tag is below the minimum for its type.
  case tagTooSmall(offset: UInt64)
  /// A tag extends beyond the end of the information.
  case tagPastEnd(offset: UInt64)
  /// The information has no end tag.
  case noEndTag(byteCount: UInt64)
  /// There is neither a memory map nor the two sizes that can replace it.
  case noMemoryMap
  /// There are two memory maps.
  case secondMemoryMap(offset: UInt64)
  /// The size of an entry of the memory map is below the minimum.
  case entryTooSmall(index: UInt64)
  /// An entry extends beyond the end of the memory map.
  case entryPastEnd(index: UInt64)
  /// The range of an entry of the memory map extends beyond 2^52.
  case entryWraps(index: UInt64)
  /// A module ends before it starts, or all its fields are zero.
  case badModule(index: UInt64)
  /// There are more than 65536 modules.
  case tooManyModules(count: UInt64)
  /// A text does not end within its tag.
  case textNotTerminated(address: UInt64)
  /// A text has more than 65535 bytes.
  case textTooLong(address: UInt64)
  /// The section headers of the kernel's image have an unknown size, or are more than 65536.
  case badSections(byteCount: UInt64)
  /// A section that the loader has loaded beside the image extends beyond 2^52.
  case badSection(index: UInt64)
  /// The frame buffer extends beyond 2^52.
  case badFrameBuffer(address: UInt64)
}

extension MultibootError {
  /// The cause as a sentence, which `detail` completes.
  public var description: StaticString {
    switch self {
    case .wrongMagic: "the kernel was not started by a multiboot loader: magic number"
    case .misaligned: "the loader's information is not 8-byte aligned: address"
    case .unreadable: "the loader's information is not in readable memory: address"
    case .informationTooSmall: "the loader's information is too small: bytes"
    case .tagTooSmall: "a tag of the loader's information is too small: offset"
    case .tagPastEnd: "a tag extends beyond the loader's information: offset"
    case .noEndTag: "the loader's information has no end tag: bytes"
    case .noMemoryMap: "the loader provides no memory map and no memory size"
    case .secondMemoryMap: "the loader provides a second memory map: offset"
    case .entryTooSmall: "an entry of the memory map is too small: index"
    case .entryPastEnd: "an entry extends beyond the memory map: index"
    case .entryWraps: "an entry of the memory map extends beyond 2^52: index"
    case .badModule: "a module has no valid range: index"
    case .tooManyModules: "the loader claims more than 65536 modules: count"
    case .textNotTerminated: "a text of the loader does not end: address"
    case .textTooLong: "a command line or name is longer than 65535 bytes: address"
    case .badSections: "the kernel's section headers are of an unknown size: bytes"
    case .badSection: "a section of the kernel extends beyond 2^52: index"
    case .badFrameBuffer: "the frame buffer extends beyond 2^52: address"
    }
  }

  /// The invalid address, offset, index or number.
  public var detail: UInt64? {
    switch self {
    case .wrongMagic(let magic): UInt64(magic)
    case .misaligned(let number), .unreadable(let number), .informationTooSmall(let number),
      .tagTooSmall(let number), .tagPastEnd(let number), .noEndTag(let number),
      .secondMemoryMap(let number), .entryTooSmall(let number), .entryPastEnd(let number),
      .entryWraps(let number), .badModule(let number), .tooManyModules(let number),
      .textNotTerminated(let number), .textTooLong(let number), .badSections(let number),
      .badSection(let number), .badFrameBuffer(let number):
      number
    case .noMemoryMap: nil
    }
  }

  /// Writes the cause and the detail on one line, without a line feed.
  public func write<Sink: TextSink & ~Copyable>(to sink: inout Sink) {
    sink.write(description)
    guard let detail else { return }
    sink.write(" ")
    switch self {
    case .wrongMagic, .misaligned, .unreadable, .textNotTerminated, .textTooLong, .badFrameBuffer:
      sink.write(hexadecimal: detail)
    default: sink.write(decimal: detail)
    }
  }
}
