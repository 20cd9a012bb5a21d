/// The translation of a page.
public struct SimulatedTranslation: Hashable, Sendable {
  /// The first virtual address of the page.
  public let virtualAddress: UInt64
  /// The physical address of that byte.
  public let physicalAddress: UInt64
  /// The level of the table that maps the page: 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB.
  public let level: Int
  let rights: PageRights
  /// The index of the memory type in the PAT register, 0 to 7.
  public let memoryTypeIndex: UInt8
  /// Whether the translation survives a load of CR3.
  public let isGlobal: Bool
  /// The accessed and dirty bits of the entry when it was cached.
  public var isAccessed: Bool
  public var isDirty: Bool

  /// The size of the page.
  public var byteCount: UInt64 { RawEntry.byteCount(level: level) }

  /// User mode may access the page.
  public var isUser: Bool { rights.contains(.user) }
  /// The page may be written.
  public var isWritable: Bool { rights.contains(.write) }
  /// Instructions may be fetched from the page.
  public var isExecutable: Bool { rights.contains(.execute) }

  /// Returns the physical address of `address`, which is in the page.
  public func physicalAddress(of address: UInt64) -> UInt64 {
    physicalAddress + (address & (byteCount - 1))
  }

  /// Returns whether both are equal except for accessed and dirty bits.
  func isSame(as other: SimulatedTranslation) -> Bool {
    virtualAddress == other.virtualAddress && physicalAddress == other.physicalAddress
      && level == other.level && rights == other.rights
      && memoryTypeIndex == other.memoryTypeIndex && isGlobal == other.isGlobal
  }
}

extension SimulatedTranslation: CustomStringConvertible {
  public var description: String {
    let size = ["4 KiB", "2 MiB", "1 GiB"][level - 1]
    var text = "\(hexadecimal(virtualAddress)) to \(hexadecimal(physicalAddress)), \(size)"
    text += isUser ? ", user" : ", supervisor"
    if isWritable { text += ", writable" }
    if isExecutable { text += ", executable" }
    if isGlobal { text += ", global" }
    if isAccessed { text += ", accessed" }
    if isDirty { text += ", dirty" }
    return text
  }
}

/// Returns `value` as a hexadecimal number with the prefix 0x.
func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
