import Tessera
import TesseraFrames
import Testing

@testable import TesseraPageTables
@testable import TesseraPager
@testable import TesseraSpaces

extension VmSpace {
  /// The page of the pager that is mapped at `address`, which the mapping keeps.
  func page(at address: UInt64) -> PageReference? {
    guard let found = root.translate(VirtualAddress(address)) else { return nil }
    return PageReference(FrameTable.slot(number: found.address.rawValue >> 12))
  }

  /// As `page(at:)`, where there is one.
  func requiredPage(at address: UInt64) throws -> PageReference {
    let found = page(at: address)
    return try #require(found)
  }

  /// Gives `pageCount` pages from `address` the status of pages that begin as zeros.
  func reserve(_ pageCount: UInt64, at address: UInt64) throws(TesseraError) {
    var cursor = try cursor(over: Self.pages(pageCount, at: address))
    try cursor.setDemandZero(pageCount * 4096, as: .userReadWrite)
  }

  func unmap(_ pageCount: UInt64, at address: UInt64) throws(TesseraError) {
    var cursor = try cursor(over: Self.pages(pageCount, at: address))
    try cursor.unmap(pageCount * 4096)
  }

  func protect(
    _ pageCount: UInt64, at address: UInt64, to access: PageAccess
  ) throws(TesseraError) {
    var cursor = try cursor(over: Self.pages(pageCount, at: address))
    try cursor.protect(pageCount * 4096, to: access)
  }

  private static func pages(_ count: UInt64, at address: UInt64) -> Range<VirtualAddress> {
    VirtualAddress(address)..<VirtualAddress(address + count * 4096)
  }
}

extension PageReference {
  /// A handle to the page's frame, such as the driver of a device has.
  var handle: PageFrame {
    slot.share()
    // SAFETY: the reference was just acquired.
    return unsafe PageFrame(adopting: slot)
  }
}

extension MemoryObject {
  /// A handle to the frame of page `index`, which is brought; nil if it cannot be used yet.
  func handle(ofPage index: UInt64) -> PageFrame? {
    var frame: PageFrame?
    guard MemoryObjects.obtain(index, of: record, &frame) == .done else { return nil }
    return frame
  }

  /// Page `index`, which the object keeps, if it is in memory.
  func page(_ index: UInt64) -> PageReference? {
    var found: PageReference?
    MemoryObjects.forEachPage(of: record) { if $0.index == index { found = $0 } }
    return found
  }

  /// As `page(_:)`, where there is one.
  func requiredPage(_ index: UInt64) throws -> PageReference {
    let found = page(index)
    return try #require(found)
  }

  /// Writes `value` at the start of page `index`, as the kernel does. Returns how that ended.
  @discardableResult
  func write(_ value: UInt64, toPage index: UInt64) -> FaultResolution {
    withUnsafeBytes(of: value) { write(unsafe RawSpan(_unsafeBytes: $0), at: index * 4096).end }
  }
}
