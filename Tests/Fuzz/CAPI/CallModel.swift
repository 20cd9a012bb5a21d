import TesseraHeader

/// What a sequence of calls has mapped and which handles it has, by the answers of the calls.
///
/// An answer that contradicts it, or a query that does, is a problem. Access rights are left to the
/// random operations on spaces, which have a model of them.
final class CallModel {
  /// What is at a page.
  enum Content: Equatable {
    case status(UInt32)
    /// Memory, a frame or a device's. The address of a new frame is nil until it is queried.
    case memory(UInt64?, isFrame: Bool)

    var isMemory: Bool {
      if case .memory = self { return true }
      return false
    }
  }

  /// The kernel's space comes after those of the sequence.
  static let kernelPlace = 3
  private static let pageSize: UInt64 = 4096

  private let spaces: [UnsafePointer<tessera_space>?]
  private var pages = [[UInt64: Content]](repeating: [:], count: kernelPlace + 1)
  /// Whether a cursor is open, which a query would wait for.
  private var isLocked = [Bool](repeating: false, count: kernelPlace + 1)
  private var handles: [tessera_frame: UInt64] = [:]
  /// The frames whose first handle was got by sharing, from a page that no query has found yet.
  private var sharedUnseen: Set<tessera_frame> = []
  /// The first contradiction.
  private(set) var problem: String?

  init(_ spaces: [UnsafePointer<tessera_space>?]) { self.spaces = spaces }

  private func expect(_ condition: Bool, _ problem: @autoclosure () -> String) {
    if !condition && self.problem == nil { self.problem = problem() }
  }
}

// Handles.
extension CallModel {
  /// The first frame of `count` was allocated or claimed.
  func allocated(_ first: tessera_frame, count: UInt64 = 1) {
    for index in 0..<count {
      let frame = first + index * Self.pageSize
      expect(handles[frame] == nil, "frame \(hex(frame)) was allocated twice")
      expect(!isFound(frame), "frame \(hex(frame)) was allocated though it is mapped")
      handles[frame] = 1
    }
  }

  /// A call that was to give a handle of `frame` answered `status`.
  func shared(_ frame: tessera_frame, _ status: tessera_result) {
    let hasSucceeded = Int(status) == TESSERA_OK
    if hasSucceeded {
      if handles[frame] == nil && !isFound(frame) { sharedUnseen.insert(frame) }
      handles[frame, default: 0] += 1
    }
    expect(hasSucceeded || handles[frame] == nil, "a frame with handles cannot be shared")
    compareHandles(of: frame)
  }

  /// A call that was to take a handle of `frame` away answered `status`.
  func dropped(_ frame: tessera_frame, _ status: tessera_result) {
    let hasSucceeded = Int(status) == TESSERA_OK
    expect(hasSucceeded == (handles[frame] != nil), "dropping \(hex(frame)) answered \(status)")
    if hasSucceeded { consumed(frame) }
  }

  /// A handle of each of `count` frames has gone.
  func consumed(_ first: tessera_frame, count: UInt64 = 1) {
    for index in 0..<count {
      let frame = first + index * Self.pageSize
      let left = handles[frame, default: 0]
      expect(left > 0, "a handle of \(hex(frame)) was taken that there was not")
      handles[frame] = left > 1 ? left - 1 : nil
      if left <= 1 { sharedUnseen.remove(frame) }
      compareHandles(of: frame)
    }
  }

  /// Whether a page is known to have `frame`.
  private func isFound(_ frame: tessera_frame) -> Bool {
    pages.contains { $0.values.contains(.memory(frame, isFrame: true)) }
  }

  private func compareHandles(of frame: tessera_frame) {
    var info = tessera_frame_info()
    info.size = UInt64(MemoryLayout<tessera_frame_info>.size)
    guard Int(tessera_frame_query(frame, &info)) == TESSERA_OK else { return }
    expect(
      info.handles == handles[frame, default: 0],
      "frame \(hex(frame)) has \(info.handles) handles, not \(handles[frame, default: 0])")
  }
}

// Pages.
extension CallModel {
  /// The space of `place` was created or destroyed.
  func emptied(_ place: Int) { pages[place] = [:] }

  /// The number of bytes of memory that are mapped in a range.
  private func mappedByteCount(_ place: Int, _ address: UInt64, _ length: UInt64) -> UInt64 {
    range(address, length).reduce(0) {
      $0 + (pages[place][$1]?.isMemory == true ? Self.pageSize : 0)
    }
  }

  private func range(_ address: UInt64, _ length: UInt64) -> StrideTo<UInt64> {
    stride(from: address, to: address + length, by: Int(Self.pageSize))
  }

  /// A call that was to fill a range where nothing may be mapped answered `status`. `content`
  /// returns what is then at each distance from its start.
  func filled(
    _ place: Int, _ address: UInt64, _ length: UInt64, _ status: tessera_result,
    _ content: (UInt64) -> Content
  ) {
    if Int(status) == TESSERA_ERROR_ALREADY_MAPPED {
      return expect(
        mappedByteCount(place, address, length) > 0, "nothing is mapped at \(hex(address))")
    }
    guard Int(status) == TESSERA_OK else { return compare(place, address, length) }
    expect(
      mappedByteCount(place, address, length) == 0, "\(hex(address)) was mapped already")
    for page in range(address, length) {
      pages[place][page] = content(page - address)
    }
    compare(place, address, length)
  }

  /// A call that was to replace the page at `address` by `frame` of `length` answered `status`.
  func replaced(
    _ place: Int, _ address: UInt64, _ length: UInt64, by frame: tessera_frame,
    _ status: tessera_result
  ) {
    guard Int(status) == TESSERA_OK else { return compare(place, address, length) }
    expect(
      mappedByteCount(place, address, length) == length, "nothing was mapped at \(hex(address))")
    for page in range(address, length) {
      pages[place][page] = .memory(frame + (page - address), isFrame: true)
    }
    compare(place, address, length)
  }

  /// A call that was to unmap a range answered `status`, and that it unmapped `byteCount` bytes.
  func unmapped(
    _ place: Int, _ address: UInt64, _ length: UInt64, _ status: tessera_result,
    _ byteCount: UInt64
  ) {
    if Int(status) == TESSERA_OK {
      let expected = mappedByteCount(place, address, length)
      expect(byteCount == expected, "\(byteCount) bytes were unmapped, not \(expected)")
      for page in range(address, length) { pages[place][page] = nil }
    }
    if Int(status) != TESSERA_ERROR_OUT_OF_BOUNDS { compare(place, address, length) }
  }

  /// A call that was to copy a range from `source` answered `status`.
  func copied(
    _ place: Int, from source: Int, _ address: UInt64, _ length: UInt64, _ status: tessera_result
  ) {
    guard Int(status) == TESSERA_OK else { return }
    for page in range(address, length) {
      expect(pages[place][page] == nil, "a copy changed \(hex(page))")
      pages[place][page] = pages[source][page]
    }
    compare(place, address, length)
  }

  /// A cursor over the space of `place` was opened or closed.
  func locked(_ place: Int, _ isLocked: Bool) { self.isLocked[place] = isLocked }

  /// Compares all pages of all spaces on which no cursor is open.
  func compareAll() {
    for place in pages.indices {
      for page in pages[place].keys.sorted() { compare(place, page) }
    }
  }

  /// Compares the first pages of a range, if it is one, with what a query finds.
  private func compare(_ place: Int, _ address: UInt64, _ length: UInt64) {
    let (end, overflow) = address.addingReportingOverflow(length)
    if overflow || address % Self.pageSize != 0 { return }
    for page in range(address, min(end - address, 16 * Self.pageSize)) { compare(place, page) }
  }

  private func compare(_ place: Int, _ address: UInt64) {
    guard !isLocked[place] else { return }
    var page = tessera_page()
    page.size = UInt64(MemoryLayout<tessera_page>.size)
    guard Int(tessera_query(spaces[place], address, &page)) == TESSERA_OK else {
      return expect(pages[place][address] == nil, "\(hex(address)) cannot be queried")
    }
    let found = content(page, at: address)
    let expected = pages[place][address]
    if expected == .memory(nil, isFrame: true), case .memory(let frame?, isFrame: true) = found {
      expect(
        sharedUnseen.remove(frame) != nil || handles[frame] == nil,
        "a new page has the frame \(hex(frame)) of a handle")
      pages[place][address] = found
    } else {
      expect(
        found == expected,
        "\(hex(address)) has \(String(describing: found)), not \(String(describing: expected))")
    }
  }

  private func content(_ page: tessera_page, at address: UInt64) -> Content? {
    let physical = page.physical &+ (address &- page.address)
    switch Int(page.content) {
    case TESSERA_PAGE_STATUS: return .status(page.status)
    case TESSERA_PAGE_FRAME: return .memory(physical, isFrame: true)
    case TESSERA_PAGE_DEVICE: return .memory(physical, isFrame: false)
    default: return nil
    }
  }

  private func hex(_ number: UInt64) -> String { "0x" + String(number, radix: 16) }
}
