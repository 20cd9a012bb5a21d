internal import TesseraHardware
internal import TesseraPageTables

/// What a page of a space should be.
struct PagingPage: Equatable, BitwiseCopyable {
  enum Kind: UInt8 {
    case absent, status, pending, demandZero
    /// Maps the frame of zeros.
    case zeros
    case frame, device
  }

  var kind = Kind.absent
  /// Whether the page may not be writable until it has a frame of its own.
  var isForked = false
  /// The number of a status, or of a page that the kernel supplies.
  var payload: UInt32 = 0
  /// For all but absent pages and bare statuses, without accessed and dirty bits.
  var property = PageProperty.userRead
  /// The place of the memory that is mapped.
  var memory = 0

  var isMapped: Bool { kind == .zeros || hasMemory }
  var hasMemory: Bool { kind == .frame || kind == .device }
  /// Whether protecting the page changes something.
  var hasProperty: Bool { isMapped || kind == .pending || kind == .demandZero }

  /// Gives the page rights that nothing but a fork withholds.
  mutating func setRights(_ access: PageAccess) {
    property.access = isForked && access == .readWrite ? .read : access
    if isForked && (access == .readWrite || access == .none) { withholdWriting() }
  }

  /// A fork shares the frame.
  mutating func noteFork() {
    guard kind == .frame, !property.isShared else { return }
    isForked = true
    if property.access == .readWrite || property.access == .none { setRights(property.access) }
  }

  /// The page is read before it was written.
  mutating func becomeZeros() {
    kind = .zeros
    isForked = true
    if property.access == .readWrite { setRights(.readWrite) }
  }

  /// The page has a frame of its own now, at place `memory`, and may be written.
  mutating func becomeOwn(_ memory: Int) {
    kind = .frame
    isForked = false
    self.memory = memory
    property.access = .readWrite
  }

  private mutating func withholdWriting() {
    property = PageProperty(entryBits: property.bits | PageTableEntry.copyOnWrite)
  }
}

/// The pages of a space.
struct PagingModel {
  private let pages: ModelArray<PagingPage>

  init(_ pages: ModelArray<PagingPage>) { self.pages = pages }

  subscript(index: Int) -> PagingPage {
    get { pages[index] }
    nonmutating set { pages[index] = newValue }
  }
}
