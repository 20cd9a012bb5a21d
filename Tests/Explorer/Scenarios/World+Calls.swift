import CTessera
import ExplorerRuntime
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// What a processor of a scenario does: each is one call, and adds its result to the outcome.
extension World {
  /// Pages which scenarios use: all in one leaf table, but numbers 3 and 5, the first of others.
  static let pages: [VirtualAddress] =
    [0x40_0000, 0x40_1000, 0x40_2000, 0x60_0000, 0x40_3000, 0x80_0000].map { VirtualAddress($0) }

  static func range(_ page: Int, count: Int = 1) -> Range<VirtualAddress> {
    let start = pages[page].rawValue
    return VirtualAddress(start)..<VirtualAddress(start + UInt64(count) * 4096)
  }

  /// The first word of a frame, which names who has filled it.
  static func stamp(of frame: PhysicalAddress) -> UnsafeMutablePointer<UInt64> {
    PhysicalMemory.pointer(to: frame).assumingMemoryBound(to: UInt64.self)
  }

  /// Runs `body` with the space at `index`, if there is one.
  func withSpace(_ index: Int, _ body: (borrowing VmSpace) -> Void) {
    switch (spaces + index).pointee {
    case .none: break
    case .some(let space): body(space)
    }
  }

  /// Makes the first space, with its first two pages mapped, which all processors run on.
  func makeTwoPages() throws {
    spaces[0] = try VmSpace()
    map(0)
    map(1)
    activateEverywhere()
  }

  /// Makes all processors run on the space at `index`, before they start.
  func activateEverywhere(_ index: Int = 0) {
    for number in 0..<scenario.processorCount {
      asProcessor(number) { withSpace(index) { $0.activate() } }
    }
  }

  static func number(of error: TesseraError) -> UInt64 {
    withUnsafeBytes(of: error) { UInt64($0[0]) }
  }

  /// The number of the calling processor.
  static var current: UInt64 { UInt64(simulated_current_processor().pointee.number) }

  /// Runs one call, with a cursor over `count` pages, and adds what `body` returns to the outcome.
  private func call(
    _ space: Int, _ page: Int, _ count: Int, existing: Bool = false,
    _ body: (inout Cursor) throws(TesseraError) -> UInt64
  ) {
    explorer_begin_call()
    var result = UInt64.max
    withSpace(space) { space in
      do throws(TesseraError) {
        if existing {
          result = try space.withCursor(overMapped: Self.range(page, count: count), body)
        } else {
          result = try space.withCursor(over: Self.range(page, count: count), body)
        }
      } catch {
        result = 1000 + Self.number(of: error)
      }
    }
    explorer_add_result(result)
  }

  /// Maps new frames, unless the pages are mapped.
  func map(
    _ page: Int, count: Int = 1, in space: Int = 0, as property: PageProperty = .userReadWrite
  ) {
    call(space, page, count) { cursor throws(TesseraError) in
      for index in 0..<count {
        var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
        if let address = frame?.address {
          Self.stamp(of: address).pointee = Self.current + 1 + UInt64(index) << 4
        }
        try cursor.map(&frame, as: property)
      }
      return 1
    }
  }

  func unmap(_ page: Int, count: Int = 1, in space: Int = 0, existing: Bool = false) {
    call(space, page, count, existing: existing) { cursor throws(TesseraError) in
      try cursor.unmap(UInt64(count) * 4096)
    }
  }

  func protect(_ page: Int, count: Int = 1, in space: Int = 0, to access: PageAccess) {
    call(space, page, count) { cursor throws(TesseraError) in
      try cursor.protect(UInt64(count) * 4096, to: access)
      return 1
    }
  }

  /// Shares a page of one space with another, as a fork does.
  func copy(_ page: Int, from first: Int, to second: Int) {
    explorer_begin_call()
    let range = Self.range(page)
    var result: UInt64 = 1
    withSpace(first) { source in
      withSpace(second) { target in
        do throws(TesseraError) {
          try source.withCursor(over: range) { sourceCursor throws(TesseraError) in
            var cursor = try unsafe target.unboundCursor(over: range, .added)
            try cursor.copy(from: &sourceCursor, 4096)
          }
        } catch { result = 1000 + Self.number(of: error) }
      }
    }
    explorer_add_result(result)
  }

  /// Maps 2 MiB of a device, which is not in memory, by one page.
  func mapLargeDevice(at address: VirtualAddress) {
    let range = address..<VirtualAddress(address.rawValue + 0x20_0000)
    withSpace(0) { space in
      try! space.withCursor(over: range) { cursor throws(TesseraError) in
        try unsafe cursor.mapDevice(
          PhysicalAddress(1 << 32), byteCount: 0x20_0000, as: .userReadWrite)
      }
    }
  }

  /// Makes the pages of the table of `page` one large page.
  func collapseTable(of page: Int) {
    explorer_begin_call()
    let start = Self.pages[page].alignedDown(to: 0x20_0000)
    withSpace(0) { space in
      do {
        try space.withCursor(over: start..<VirtualAddress(start.rawValue + 0x20_0000)) {
          cursor throws(TesseraError) in
          explorer_add_result(UInt64(cursor.collapse(0x20_0000)))
        }
      } catch { explorer_add_result(1000) }
    }
  }

  /// Whether the dirty bit of a page is set.
  func isDirty(_ page: Int, in space: Int = 0) -> Bool {
    var isDirty = false
    withSpace(space) { isDirty = $0.translate(Self.pages[page])?.property.isDirty ?? false }
    return isDirty
  }

  /// As `translate`, by the entries that a dump prints.
  func trace(_ page: Int, in space: Int = 0) {
    explorer_begin_call()
    withSpace(space) { space in
      let found = TranslationTrace(of: Self.pages[page], from: space.root).translation
      explorer_add_result(found.map { 1 + UInt64($0.property.access.rawValue) } ?? 0)
    }
  }

  /// The result that a processor has added as number `index`.
  func result(of processor: Int, at index: Int) -> UInt64 {
    explorer_result(UInt32(processor), UInt32(index))
  }

  /// Whether a page is mapped, and what it permits.
  func query(_ page: Int, in space: Int = 0) {
    call(space, page, 1, existing: true) { cursor throws(TesseraError) in
      guard case .mapped(_, let property, _) = try cursor.query().content else { return 0 }
      return 1 + UInt64(property.access.rawValue)
    }
  }

  /// As `query`, without a lock.
  func translate(_ page: Int, in space: Int = 0) {
    explorer_begin_call()
    var result: UInt64 = 0
    withSpace(space) { space in
      if let found = space.translate(Self.pages[page]) {
        result = 1 + UInt64(found.property.access.rawValue)
      }
    }
    explorer_add_result(result)
  }

  func activate(_ space: Int = 0) {
    explorer_begin_call()
    withSpace(space) { $0.activate() }
  }

  func destroy(_ space: Int = 0) {
    explorer_begin_call()
    releaseSpace(space)
  }

  func deactivate() {
    explorer_begin_call()
    VmSpace.deactivate()
  }

  /// Stops the calling processor.
  func stop() {
    explorer_begin_call()
    // From here on it keeps what it has cached, and uses nothing of it.
    machine.mmu.options.haltedProcessors = [Int(Self.current)]
    FrameAllocator.closeCache()
    ActiveSpace.stop()
  }

  /// Starts the calling processor again, which was stopped.
  func start() {
    explorer_begin_call()
    try! ActiveSpace.claimProcessor()
    ActiveSpace.start()
    // What it has cached counts from here on.
    machine.mmu.options.haltedProcessors = []
  }

  func clearDirty(_ page: Int, in space: Int = 0) {
    call(space, page, 1) { cursor throws(TesseraError) in cursor.clearDirty(4096) }
  }

  /// Allocates a frame to the place at `index`.
  func allocate(_ index: Int) {
    explorer_begin_call()
    var frame = try? Frame(allocating: PlainMemory())
    if isPreparing, let address = frame?.address { frameAddresses[index] = address }
    (frames + index).pointee = frame.take()
    explorer_add_result(isGone(index) ? 0 : 1)
  }

  /// Claims the frame that was allocated to a place while all was prepared.
  func claim(_ index: Int, atAddressOf place: Int) {
    explorer_begin_call()
    do throws(TesseraError) {
      (frames + index).pointee = try Frame(claiming: frameAddresses[place], metadata: PlainMemory())
      explorer_add_result(1)
    } catch { explorer_add_result(1000 + Self.number(of: error)) }
  }

  /// Writes a word of the frame that was allocated to a place while all was prepared, if the caller
  /// owns the frame at `index`.
  func fill(_ index: Int, word: Int, atAddressOf place: Int) {
    guard !isGone(index) else { return }
    Self.stamp(of: frameAddresses[place])[word] = Self.current + 1
  }

  /// Interrupts another processor, for no reason of the library's.
  func interrupt(_ number: Int) {
    explorer_begin_call()
    simulated_interrupt(1 << UInt64(number), 0)
  }

  private func isGone(_ index: Int) -> Bool {
    switch (frames + index).pointee {
    case .none: true
    case .some: false
    }
  }

  /// Shares the frame at `index`, to another place.
  func share(_ index: Int, as other: Int) {
    explorer_begin_call()
    switch (frames + index).pointee {
    case .none: break
    case .some(let frame): (frames + other).pointee = frame.share()
    }
  }

  /// Maps a new frame at kernel addresses, and reads it there.
  func mapKernel(_ index: Int) throws {
    explorer_begin_call()
    var segment: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
    if let start = segment?.address { Self.stamp(of: start).pointee = 7 + UInt64(index) }
    let mapping = try KernelMapping(&segment)
    let address = mapping.address.rawValue
    (mappings + index).pointee = consume mapping
    if isPreparing { kernelAddresses[index] = address }
    readKernel(address)
  }

  /// Where the mapping at `index` was when a schedule began.
  func kernelAddress(_ index: Int) -> UInt64 { kernelAddresses[index] }

  /// Allocates two contiguous frames, and frees them.
  func allocateRun() {
    explorer_begin_call()
    do throws(TesseraError) {
      let segment = try Segment(allocating: 2) { _ in PlainMemory() }
      _ = consume segment
      explorer_add_result(1)
    } catch { explorer_add_result(1000 + Self.number(of: error)) }
  }

  func unmapKernel(_ index: Int) {
    explorer_begin_call()
    (mappings + index).pointee = nil
  }

  /// Drops the frame at `index`.
  func drop(_ index: Int) {
    explorer_begin_call()
    (frames + index).pointee = nil
  }
}
