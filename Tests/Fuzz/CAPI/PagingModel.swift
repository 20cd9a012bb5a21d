import Foundation
import Tessera
import TesseraHeader

/// What a sequence of calls has the pager page: objects, whose contents it knows, and the stores,
/// which fail, and finish later, as the bytes of the sequence say.
final class PagingModel {
  /// A memory object.
  struct Object {
    var handle: tessera_object
    /// How many handles there are, which are one number.
    var handleCount = 1
    var bytes: [UInt8]
    let capacity: Int
  }

  /// A store. Its pages begin as zeros.
  private final class Store {
    unowned let model: PagingModel
    var pages: [UInt64: [UInt8]] = [:]

    init(_ model: PagingModel) { self.model = model }
  }

  /// The places of objects, of which some have one.
  var objects = [Object?](repeating: nil, count: 3)
  private var stores: [Store] = []
  /// The transfers that finish later, and whether they succeed.
  private var waiting: [(token: UInt64, succeeds: Bool)] = []
  /// Draws what stores answer; zero for stores that always succeed at once.
  var state: UInt64 = 0
  private var failureCount = 0
  private(set) var transferCount = 0
  /// The first contradiction.
  private(set) var problem: String?

  func expect(_ condition: Bool, _ problem: @autoclosure () -> String) {
    if !condition && self.problem == nil { self.problem = problem() }
  }

  /// Expects that a call answers one of `errors`, or that it succeeds. Returns whether it did.
  @discardableResult
  func expect(_ status: tessera_result, of name: String, _ errors: Int...) -> Bool {
    if Int(status) == TESSERA_OK { return true }
    expect(errors.contains(Int(status)), "\(name) answers \(status)")
    if Int(status) == TESSERA_ERROR_PAGE_BUSY {
      expect(!waiting.isEmpty, "\(name) answers that a page is busy, and no transfer is under way")
    }
    if Int(status) == TESSERA_ERROR_STORE {
      expect(failureCount > 0, "\(name) answers that a store has failed, and none has")
    }
    return false
  }
}

// Stores.
extension PagingModel {
  /// A new store, which lives as long as this.
  func makeStore() -> tessera_store {
    let store = Store(self)
    stores.append(store)
    return tessera_store(
      size: UInt64(MemoryLayout<tessera_store>.size),
      context: Unmanaged.passUnretained(store).toOpaque(),
      read: { PagingModel.transfer($0, $1, $2, $3, isWrite: false) },
      write: { PagingModel.transfer($0, $1, $2, $3, isWrite: true) },
      release: { PagingModel.release($0, $1, $2) })
  }

  private static func store(_ context: UnsafeMutableRawPointer?) -> Store {
    guard let context else { fatalError("a store is called with another context") }
    return Unmanaged<Store>.fromOpaque(context).takeUnretainedValue()
  }

  private static func transfer(
    _ context: UnsafeMutableRawPointer?, _ offset: UInt64, _ memory: tessera_frame,
    _ token: UInt64, isWrite: Bool
  ) -> Int32 {
    let store = store(context)
    store.model.expect(offset % 4096 == 0, "a transfer is from \(offset)")
    let draw = store.model.draw()
    store.model.transferCount += 1
    let succeeds = draw % 8 != 7
    if !succeeds { store.model.failureCount += 1 }
    let address = UInt(LoadedMachine.directMap + memory)
    if succeeds, let page = UnsafeMutableRawPointer(bitPattern: address) {
      if isWrite {
        store.pages[offset] = [UInt8](UnsafeRawBufferPointer(start: page, count: 4096))
      } else {
        memcpy(page, store.pages[offset] ?? [UInt8](repeating: 0, count: 4096), 4096)
      }
    }
    if draw / 8 % 3 == 2 {
      store.model.waiting.append((token, succeeds))
      return Int32(TESSERA_TRANSFER_LATER)
    }
    return Int32(succeeds ? TESSERA_TRANSFER_DONE : TESSERA_TRANSFER_FAILED)
  }

  private static func release(
    _ context: UnsafeMutableRawPointer?, _ offset: UInt64, _ length: UInt64
  ) {
    let store = store(context)
    store.model.expect(
      offset % 4096 == 0 && length % 4096 == 0 && length > 0, "a part of a page is released")
    for page in stride(from: offset, to: offset + length, by: 4096) { store.pages[page] = nil }
  }

  private func draw() -> UInt64 {
    guard state != 0 else { return 0 }
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 40
  }

  /// Finishes the first `count` transfers that wait.
  func finish(_ count: Int = .max) {
    let first = waiting.prefix(count)
    waiting.removeFirst(first.count)
    for transfer in first { tessera_transfer_done(transfer.token, transfer.succeeds) }
  }
}

// Objects.
extension PagingModel {
  /// Compares all that objects contain. Their stores do not fail, and there is memory.
  func compareAll() {
    state = 0
    finish()
    for object in objects {
      guard let object else { continue }
      var bytes = [UInt8](repeating: 0xee, count: object.bytes.count + 16)
      var done: UInt64 = 0
      var status = tessera_object_read(object.handle, 0, &bytes, UInt64(bytes.count), &done)
      // Each page that could not be read says so once.
      for _ in 0..<64 where Int(status) == TESSERA_ERROR_STORE {
        status = tessera_object_read(object.handle, 0, &bytes, UInt64(bytes.count), &done)
      }
      expect(Int(status) == TESSERA_OK, "reading all of an object answers \(status)")
      expect(
        done == UInt64(object.bytes.count)
          && bytes.prefix(object.bytes.count).elementsEqual(object.bytes),
        "an object of \(object.bytes.count) bytes has changed")
      expect(
        bytes.suffix(16).allSatisfy { $0 == 0xee }, "reading an object writes behind its end")
    }
  }

  /// Drops all handles.
  func dropAll() {
    for object in objects {
      guard let object else { continue }
      for _ in 0..<object.handleCount { expect(tessera_object_drop(object.handle), of: "drop") }
      expect(
        Int(tessera_object_drop(object.handle)) == TESSERA_ERROR_INVALID_OBJECT,
        "a handle is dropped twice")
    }
    objects = [Object?](repeating: nil, count: objects.count)
    finish()
  }

  /// Expects that nothing is paged any more.
  func expectNothing() {
    var usage = tessera_page_usage()
    usage.size = UInt64(MemoryLayout<tessera_page_usage>.size)
    expect(tessera_query_usage(0, &usage), of: "query_usage")
    expect(
      usage.resident == 0 && usage.swapped == 0,
      "\(usage.resident) pages and \(usage.swapped) slots are lost")
  }
}
