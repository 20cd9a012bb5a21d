internal import DemoPlatform
internal import Tessera
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// The processor that accesses pages, for a detector that runs on the first one.
struct Accessor {
  private let processor: Int

  /// The calling processor itself.
  static var here: Accessor { Accessor(processor: Processor.current) }

  /// Another one that runs; nil if there is none.
  static var elsewhere: Accessor? {
    var found: Accessor?
    ProcessorTask.forEachOther { if found == nil { found = Accessor(processor: $0) } }
    return found
  }

  private init(processor: Int) { self.processor = processor }

  var isElsewhere: Bool { processor != Processor.current }

  /// What the processor is to do, and what came of it.
  private struct Request {
    enum Kind {
      case activate(PageTableNode)
      case deactivate
      case read
      case write(UInt64)
      case execute
      case setExecution(allowed: Bool, ProcessorFeatures)
      case invalidateAll
    }

    let kind: Kind
    var place: UInt64 = 0
    var content: UInt64?
    var hasSucceeded = false
  }

  /// Makes the processor run on `space`, until `deactivate`.
  func activate(_ space: borrowing VmSpace) { _ = perform(Request(kind: .activate(space.root))) }

  /// Makes the processor run on the kernel's own root.
  func deactivate() { _ = perform(Request(kind: .deactivate)) }

  /// Flushes all translations of the processor.
  func invalidateAll() { _ = perform(Request(kind: .invalidateAll)) }

  /// As `UserAccess.setExecution`.
  @unsafe func setExecution(allowed: Bool, _ features: ProcessorFeatures) {
    _ = perform(Request(kind: .setExecution(allowed: allowed, features)))
  }

  /// Returns 8 bytes of the page at `place`, or nil if reading them faults.
  func read(_ place: UInt64) -> UInt64? {
    perform(Request(kind: .read, place: place)).content
  }

  /// Accesses the memory at `place`, which holds `word` before and after. Returns whether that
  /// succeeds; a read has to find the word.
  func access(_ place: UInt64, by access: Change.Access, word: UInt64) -> Bool {
    switch access {
    case .read: read(place) == word
    case .write: perform(Request(kind: .write(word), place: place)).hasSucceeded
    case .execute: perform(Request(kind: .execute, place: place)).hasSucceeded
    }
  }

  private func perform(_ request: Request) -> Request {
    var request = request
    guard isElsewhere else {
      Self.carryOut(&request)
      return request
    }
    // SAFETY: the function is that of a request.
    unsafe ProcessorTask.run(on: processor, &request) {
      unsafe Accessor.carryOut(&$0.assumingMemoryBound(to: Request.self).pointee)
    }
    return request
  }

  /// Does what `request` says, on the calling processor.
  private static func carryOut(_ request: inout Request) {
    switch request.kind {
    case .activate(let root): ActiveSpace.activate(root)
    case .deactivate: VmSpace.deactivate()
    case .read: request.content = UserAccess.read(request.place)
    case .write(let word):
      // SAFETY: the memory is the detector's, and holds this word already.
      request.hasSucceeded = unsafe UserAccess.write(word, to: request.place)
    case .execute:
      // SAFETY: every byte of the memory is a return instruction.
      request.hasSucceeded = unsafe MemoryProbe.execute(request.place)
    case .setExecution(let allowed, let features):
      // SAFETY: the detector forbids it again.
      unsafe UserAccess.setExecution(allowed: allowed, features)
    case .invalidateAll: Processor.invalidateAll(alsoGlobal: true)
    }
  }
}
