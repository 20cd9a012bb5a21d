import Tessera
import TesseraHeader

/// A sequence of valid and invalid calls of `tessera.h`, decoded from bytes, on its own machine.
///
/// Answers are compared with a model. The invariants of the metadata and of the page tables of all
/// spaces are checked as well, and all frames must be free after everything has been freed.
///
/// Each space can have a cursor open. The others are used meanwhile; a second cursor over the same
/// tables on one processor would panic.
public struct CallSequence {
  private var bytes: ArraySlice<UInt8>
  private let machine = LoadedMachine(keepsMemory: true)
  let spaces = Self.zeros(tessera_space.self, 3)
  /// One for each space, the last for the kernel's.
  let cursors = Self.zeros(tessera_cursor.self, 4)
  var model: CallModel
  let heap = HeapModel()
  let paging = PagingModel()
  /// Whether the pager is started if a call says so. It has objects in the heap, of which the model
  /// of the heap does not know the sizes.
  private(set) var isPaging = false
  /// The memory of spaces that are paged, and those of them, or their children, that there are.
  let pagedMemory = Self.zeros(tessera_space.self, 3)
  var pagedSpaces = [UnsafeMutablePointer<tessera_space>?](repeating: nil, count: 3)
  /// Frames that were allocated, with or without a remaining handle.
  var frames = [tessera_frame](repeating: 0, count: 8)
  public private(set) var callCount = 0
  /// The number of calls that were made while more than one cursor was open.
  public private(set) var callCountAmongCursors = 0
  /// The number of objects of the heap, and of those of them that were mapped page by page.
  public internal(set) var objectCount = 0
  public internal(set) var mappedObjectCount = 0

  /// The number of pages that programs were given in spaces that are paged, and of times that pages
  /// were written to stores or read from there.
  public internal(set) var pagedCount = 0
  public var transferCount: Int { paging.transferCount }

  /// The number of calls after which all invariants are checked.
  private static let checkInterval = 64

  public init(_ bytes: [UInt8]) {
    self.bytes = bytes[...]
    model = CallModel([])
  }

  private static func zeros<Value>(_: Value.Type, _ count: Int) -> UnsafeMutablePointer<Value> {
    let place = UnsafeMutableRawPointer.allocate(
      byteCount: count * MemoryLayout<Value>.stride, alignment: 16)
    place.initializeMemory(
      as: UInt8.self, repeating: 0, count: count * MemoryLayout<Value>.stride)
    return place.assumingMemoryBound(to: Value.self)
  }

  /// A fault injected after all calls, to test that it is detected.
  public enum Sabotage: CaseIterable, Sendable {
    /// A leaked frame, allocated without the C API.
    case forgottenFrame
    /// A leaked space.
    case forgottenSpace
    /// An entry that refers to a frame that is not a page table.
    case strayEntry
    /// An object of the heap that is not freed.
    case forgottenObject
    /// A change in an object of the heap.
    case changedObject
    /// A change in a memory object.
    case changedPage
  }

  /// Makes all calls on a machine whose configuration `configure` adjusts. Returns the violations
  /// found afterwards, or nil.
  public mutating func run(
    _ sabotage: Sabotage? = nil, configure: (inout tessera_config) -> Void = { _ in }
  ) -> String? {
    defer {
      spaces.deallocate()
      cursors.deallocate()
      pagedMemory.deallocate()
    }
    let first = next()
    let half = UInt32(first % 2)
    isPaging = first & 2 != 0
    let status = machine.start(LoadedMachine.regions) { config in
      config.kernel_half = half
      configure(&config)
    }
    guard status == TESSERA_OK else { return "the start failed" }
    let free = machine.freeFrames
    model = CallModel((0...3).map { UnsafePointer(space($0)) })
    for place in 0..<3 where next() % 4 != 0 { _ = tessera_space_create(spaces + place) }
    if isPaging { beginPaging() }
    while !bytes.isEmpty && problem == nil {
      if isPaging && next() % 2 == 0 { callOfPager() } else { call() }
      callCount += 1
      let openCount = (0...3).count { isLocked($0) }
      if openCount > 1 { callCountAmongCursors += 1 }
      if callCount % Self.checkInterval == 0 && openCount == 0 && violations != "" { break }
    }
    for place in 0...3 { closeCursor(place) }
    model.compareAll()
    if let problem { return problem }
    if let sabotage { commit(sabotage) }
    if violations != "" { return violations }
    freeEverything()
    if problem ?? violations != "" { return problem ?? violations }
    let left = machine.freeFrames + heap.info.frames
    return left == free ? nil : "\(left) frames are free or the heap's, expected \(free)"
  }

  /// The first contradiction between the calls and their models.
  private var problem: String? { model.problem ?? heap.problem ?? paging.problem }

  /// The reports of the audits of the metadata and of all spaces; empty if there are no violations.
  private var violations: String {
    var text = machine.violations
    for index in 0..<3 where tessera_space_root(spaces + index) != 0 {
      var count: UInt64 = 0
      text += gathering { tessera_audit_space(spaces + index, $0, $1, &count) }
    }
    for case let space? in pagedSpaces {
      var count: UInt64 = 0
      text += gathering { tessera_audit_space(space, $0, $1, &count) }
    }
    return text
  }

  private mutating func commit(_ sabotage: Sabotage) {
    var space = tessera_space()
    switch sabotage {
    case .forgottenFrame:
      if let frame = try? Frame(allocating: PlainMemory()) { _ = frame.relinquish() }
    case .forgottenSpace: _ = tessera_space_create(&space)
    case .strayEntry:
      _ = tessera_space_create(spaces)
      machine.setEntry(0x1003, at: 5, of: tessera_space_root(spaces))
    case .forgottenObject: _ = tessera_malloc(100)
    case .changedObject:
      freeObjects()
      guard let object = tessera_malloc(100) else { return }
      heap.put(object, 100, at: 0)
      object.storeBytes(of: heap.objects[0]!.byte ^ 1, toByteOffset: 99, as: UInt8.self)
    case .changedPage:
      freeObjects()
      changePage()
    }
  }

  private mutating func freeEverything() {
    freeObjects()
    _ = tessera_space_activate(tessera_kernel_space())
    for index in 0..<3 { _ = tessera_space_destroy(spaces + index) }
    var start: UInt64 = 0
    var end: UInt64 = 0
    _ = tessera_space_bounds(tessera_kernel_space(), &start, &end)
    _ = tessera_unmap(tessera_kernel_space(), start, end - start, nil)
    for number in 0..<(LoadedMachine.byteCount >> 12) {
      while Int(tessera_drop(number << 12)) == TESSERA_OK {}
    }
    freePaged()
  }
}

extension CallSequence {
  mutating func next() -> UInt8 { bytes.popFirst() ?? 0 }

  /// A place among the spaces, 3 for the kernel's; 4 for none.
  mutating func place() -> Int {
    switch next() % 8 {
    case 0...5: Int(next() % 3)
    case 6: CallModel.kernelPlace
    default: 4
    }
  }

  /// The space of a place, initialized or not, or null.
  func space(_ place: Int) -> UnsafeMutablePointer<tessera_space>? {
    switch place {
    case 0..<3: spaces + place
    case CallModel.kernelPlace: tessera_kernel_space()
    default: nil
    }
  }

  /// Whether a cursor is open over the space of a place.
  func isLocked(_ place: Int) -> Bool {
    place < 4 && tessera_cursor_address(cursors + place) != 0
  }

  /// An address close to a boundary, or a page that is likely to be in use.
  mutating func address() -> UInt64 {
    let page = UInt64(next() % 16) << 12
    switch next() % 10 {
    case 0...5: return 0x80_0000_0000 + page
    case 6: return 0x80_0020_0000 - 0x8000 + page
    case 7: return 0xffff_c000_0000_0000 + page
    case 8: return 0x7fff_ffff_f000 &- 0x8000 &+ page
    default: return UInt64(next()) << 56 | UInt64(next()) << 40 | UInt64(next()) << 12 | 1
    }
  }

  mutating func length() -> UInt64 {
    switch next() % 10 {
    case 0...7: UInt64(next() % 12) << 12
    case 8: 0x20_0000
    default: .max - UInt64(next())
    }
  }

  mutating func frame() -> tessera_frame {
    switch next() % 8 {
    case 0...6: frames[Int(next() % 8)]
    default: UInt64(next()) << 15 | UInt64(next()) << 8
    }
  }

  mutating func flags() -> UInt32 {
    next() % 4 == 0 ? UInt32(next()) << 3 | UInt32(next()) : [1, 3, 5, 0][Int(next() % 4)]
  }
}
