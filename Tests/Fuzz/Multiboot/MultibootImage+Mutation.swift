extension MultibootImage {
  /// Creates well-formed information: a random map, modules and strings, in either version.
  public init(random generator: inout FuzzGenerator) {
    var contents = Contents()
    if !generator.oneIn(8) {
      contents.entries = (0..<generator.below(12)).map { _ in .init(random: &generator) }
      contents.entryByteCount = [20, 24, 40][generator.below(3)]
    }
    if generator.oneIn(2) {
      contents.sizes = (UInt32(generator.below(640)), UInt32(truncatingIfNeeded: generator.next()))
    }
    contents.modules = (0..<generator.below(4)).map { index in
      let start = UInt32(generator.below(1 << 20)) << 6
      return .init(
        start, start + UInt32(generator.below(1 << 16)), index == 2 ? nil : "file=\(index)")
    }
    if generator.oneIn(2) { contents.commandLine = "kernel seed=\(generator.below(100)) quiet" }
    if generator.oneIn(2) { contents.loaderName = "some loader 1.0" }
    if generator.oneIn(4) {
      contents.rootPointers = [(14, [UInt8](repeating: 1, count: 20))]
    }
    if generator.oneIn(2) {
      self.init(version1: contents)
    } else {
      self.init(version2: contents)
    }
  }

  /// Corrupts up to six places.
  public mutating func mutate(_ generator: inout FuzzGenerator) {
    for _ in 0..<generator.below(7) where !bytes.isEmpty {
      let offset = generator.below(bytes.count)
      switch generator.below(8) {
      case 0: bytes[offset] ^= 1 << UInt8(generator.below(8))
      case 1: bytes[offset] = UInt8(truncatingIfNeeded: generator.next())
      case 2: bytes.removeLast(min(bytes.count, generator.below(32)))
      case 3: set(Self.delicate[generator.below(Self.delicate.count)], near: offset)
      case 4: set(UInt32(truncatingIfNeeded: generator.next()), near: offset)
      case 5: set(base + UInt32(generator.below(bytes.count + 8)), near: offset)
      case 6: copy(from: generator.below(bytes.count), to: offset, count: generator.below(48))
      default: set(UInt32(generator.below(64)), near: offset)
      }
    }
  }

  /// Boundary values for sizes, counts and addresses.
  private static let delicate: [UInt32] = [
    0, 1, 3, 4, 7, 8, 15, 16, 19, 20, 23, 24, 0x7fff_ffff, 0x8000_0000, 0xffff_f000, 0xffff_fff8,
    0xffff_ffff,
  ]

  private mutating func set(_ value: UInt32, near offset: Int) {
    if bytes.count >= 4 { set(value, at: min(offset & ~3, bytes.count - 4)) }
  }

  private mutating func copy(from source: Int, to destination: Int, count: Int) {
    let length = min(count, bytes.count - max(source, destination))
    bytes.replaceSubrange(
      destination..<destination + length, with: Array(bytes[source..<source + length]))
  }
}

extension MultibootImage.Contents.Entry {
  /// A range such as firmware reports, occasionally an unusual one.
  init(random generator: inout FuzzGenerator) {
    var start = UInt64(generator.below(1 << 12)) << UInt64(generator.below(26))
    var byteCount = UInt64(generator.below(1 << 10)) << UInt64(generator.below(22))
    if generator.oneIn(16) {
      start = generator.next() >> UInt64(generator.below(64))
      byteCount = generator.next() >> UInt64(generator.below(64))
    }
    self.init(start, byteCount, generator.oneIn(2) ? 1 : UInt32(generator.below(8)))
  }
}
