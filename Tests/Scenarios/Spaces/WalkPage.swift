internal import TesseraHardware

/// What a cell of a walk should show.
struct WalkPage: Equatable {
  enum Kind: UInt8 {
    case absent
    /// Nothing, with a status.
    case status
    /// A frame that the entry owns a count of.
    case frame
    /// Memory without owners.
    case device
    /// A part of a block of 2 MiB, of which entries own counts.
    case block
  }

  var kind = Kind.absent
  /// The status; the place of the frame in the walk's book; or the address of the memory at the
  /// start of the cell.
  var value: UInt64 = 0
  /// For what is mapped.
  var property = PageProperty.kernelRead

  var isMapped: Bool { kind != .absent && kind != .status }
  var isCounted: Bool { kind == .frame || kind == .block }
}

/// What an address space should show, kept by the plainest means.
struct WalkSpaceModel {
  let world: WalkWorld
  var pages = [118 of WalkPage](repeating: WalkPage())

  init(_ world: WalkWorld) { self.world = world }

  /// The first of `cells` that is mapped.
  func firstMapped(_ cells: Range<Int>) -> Int? {
    for index in cells where pages[index].isMapped { return index }
    return nil
  }

  /// The first of `cells` that is not absent.
  func firstPresent(_ cells: Range<Int>) -> Int? {
    for index in cells where pages[index].kind != .absent { return index }
    return nil
  }

  /// How many bytes of `cells` are mapped.
  func mappedByteCount(_ cells: Range<Int>) -> UInt64 {
    var count: UInt64 = 0
    for index in cells where pages[index].isMapped { count += world.byteCount(index..<index + 1) }
    return count
  }

  /// Makes `cells` show memory from `address` on.
  mutating func mapDevice(_ cells: Range<Int>, _ address: PhysicalAddress, _ property: PageProperty)
  {
    for index in cells {
      let offset = world.start(index) - world.start(cells.lowerBound)
      pages[index] = WalkPage(kind: .device, value: address.rawValue + offset, property: property)
    }
  }
}
