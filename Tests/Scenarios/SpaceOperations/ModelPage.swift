internal import TesseraHardware

/// What a cell should map.
struct ModelPage: Equatable, BitwiseCopyable {
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

  /// The kind in the highest byte, whether a fork has shared the frame in bit 55, and the value in
  /// the others: models have to fit on a stack.
  private var word: UInt64 = 0
  /// For what is mapped.
  var property = PageProperty.kernelRead

  init(kind: Kind = .absent, value: UInt64 = 0, property: PageProperty = .kernelRead) {
    word = UInt64(kind.rawValue) << 56 | value
    self.property = property
  }

  var kind: Kind {
    get { Kind(rawValue: UInt8(truncatingIfNeeded: word >> 56)) ?? .absent }
    set { word = UInt64(newValue.rawValue) << 56 | word & (1 << 56 - 1) }
  }

  /// The status; the place of the frame in the accounting; or the address of the memory at the
  /// start of the cell.
  var value: UInt64 { word & (1 << 55 - 1) }

  /// Whether a fork has shared the frame, so that the page may not be writable.
  var isShared: Bool {
    get { word & 1 << 55 != 0 }
    set { word = newValue ? word | 1 << 55 : word & ~(1 << 55) }
  }

  var isMapped: Bool { kind != .absent && kind != .status }
  var ownsFrame: Bool { kind == .frame || kind == .block }
}

/// What an address space should map, as a plain array.
struct SpaceModel {
  let world: SpaceModelLayout
  private let pages: ModelArray<ModelPage>

  /// How many cells a world has at most.
  static var mostCells: Int { 90 }

  init(_ world: SpaceModelLayout, _ pages: ModelArray<ModelPage>) {
    self.world = world
    self.pages = pages
  }

  subscript(index: Int) -> ModelPage {
    get { pages[index] }
    nonmutating set { pages[index] = newValue }
  }

  /// Makes all pages absent.
  func clear() {
    for index in 0..<world.cellCount { pages[index] = ModelPage() }
  }

  /// Makes `cells` map memory from `address` on.
  func mapDevice(_ cells: Range<Int>, _ address: PhysicalAddress, _ property: PageProperty) {
    for index in cells {
      let offset = world.start(index) - world.start(cells.lowerBound)
      pages[index] = ModelPage(kind: .device, value: address.rawValue + offset, property: property)
    }
  }
}
