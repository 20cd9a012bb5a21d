/// What a page of virtual addresses is translated to.
public struct SimulatedTranslation: Hashable, Sendable {
  /// The first byte of the page.
  public let virtualAddress: UInt64
  /// Where that byte is.
  public let physicalAddress: UInt64
  /// The level of the table that maps the page: 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB.
  public let level: Int
  let rights: PageRights
  /// Which field of the PAT register gives the memory type, 0 to 7.
  public let memoryTypeIndex: UInt8
  /// Whether it survives a load of CR3.
  public let isGlobal: Bool
  /// What the entry's accessed and dirty bits were.
  public var isAccessed: Bool
  public var isDirty: Bool

  /// How large the page is.
  public var byteCount: UInt64 { RawEntry.byteCount(level: level) }

  /// User code may use the page.
  public var isUser: Bool { rights.contains(.user) }
  /// The page may be written.
  public var isWritable: Bool { rights.contains(.write) }
  /// Instructions may be fetched from the page.
  public var isExecutable: Bool { rights.contains(.execute) }

  /// Where the byte at `address`, which is in the page, is.
  public func physicalAddress(of address: UInt64) -> UInt64 {
    physicalAddress + (address & (byteCount - 1))
  }

  /// Whether both say the same, whatever their accessed and dirty bits are.
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

/// `value` as C writes it.
func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
