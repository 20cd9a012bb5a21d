public import TesseraHardware

/// Why the loader's information cannot be used. Nothing has been changed.
public enum MultibootError: Error, Equatable, Sendable {
  /// The number in the register is that of neither version.
  case wrongMagic(UInt32)
  /// The information does not start at a multiple of 8.
  case misaligned(address: UInt64)
  /// The information, or what it points to, lies where nothing can be read.
  case unreadable(address: UInt64)
  /// The information says that it is smaller than the smallest there is.
  case informationTooSmall(byteCount: UInt64)
  /// A tag says that it is smaller than what it must hold.
  case tagTooSmall(offset: UInt64)
  /// A tag says that it is larger than what is left of the information.
  case tagPastEnd(offset: UInt64)
  /// The information ends without a tag that says so.
  case noEndTag(byteCount: UInt64)
  /// There is neither a memory map nor the two sizes that could stand for it.
  case noMemoryMap
  /// There are two memory maps; which one to believe is not said.
  case secondMemoryMap(offset: UInt64)
  /// An entry of the memory map is smaller than what it must hold.
  case entryTooSmall(index: UInt64)
  /// An entry of the memory map reaches beyond its end.
  case entryPastEnd(index: UInt64)
  /// The range of an entry of the memory map reaches beyond all physical memory.
  case entryWraps(index: UInt64)
  /// A module ends before it starts, or is nothing but zeros.
  case badModule(index: UInt64)
  /// There are more modules than anybody can have asked for.
  case tooManyModules(count: UInt64)
  /// A text has no end within its tag or within 4096 bytes.
  case textNotTerminated(address: UInt64)
}

extension MultibootError {
  /// The cause as a sentence, to which `detail` is what comes after it.
  public var description: StaticString {
    switch self {
    case .wrongMagic: "the kernel was not started by a multiboot loader, the register holds"
    case .misaligned: "the loader's information is not aligned to 8 bytes, its address is"
    case .unreadable: "the loader's information points outside readable memory, to address"
    case .informationTooSmall: "the loader's information is too small, its bytes are"
    case .tagTooSmall: "a tag of the loader's information is too small, at offset"
    case .tagPastEnd: "a tag reaches beyond the loader's information, at offset"
    case .noEndTag: "the loader's information ends without an end tag, its bytes are"
    case .noMemoryMap: "the loader gave neither a memory map nor the size of memory"
    case .secondMemoryMap: "the loader gave a second memory map, at offset"
    case .entryTooSmall: "an entry of the memory map is too small, its index is"
    case .entryPastEnd: "an entry reaches beyond the memory map, its index is"
    case .entryWraps: "an entry of the memory map reaches beyond 2^52, its index is"
    case .badModule: "a module has no range in memory, its index is"
    case .tooManyModules: "the loader says it gave more than 65536 modules, their number is"
    case .textNotTerminated: "a text of the loader has no end, it starts at address"
    }
  }

  /// The address, offset, index or number at fault.
  public var detail: UInt64? {
    switch self {
    case .wrongMagic(let magic): UInt64(magic)
    case .misaligned(let number), .unreadable(let number), .informationTooSmall(let number),
      .tagTooSmall(let number), .tagPastEnd(let number), .noEndTag(let number),
      .secondMemoryMap(let number), .entryTooSmall(let number), .entryPastEnd(let number),
      .entryWraps(let number), .badModule(let number), .tooManyModules(let number),
      .textNotTerminated(let number):
      number
    case .noMemoryMap: nil
    }
  }

  /// Writes the cause and what was at fault, in one line without its end.
  public func write<Sink: TextSink & ~Copyable>(to sink: inout Sink) {
    sink.write(description)
    guard let detail else { return }
    sink.write(" ")
    switch self {
    case .wrongMagic, .misaligned, .unreadable, .textNotTerminated: sink.write(hexadecimal: detail)
    default: sink.write(decimal: detail)
    }
  }
}
