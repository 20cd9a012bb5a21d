import Foundation
public import TesseraFrames

/// A kernel's own allocator, which keeps books: whose each frame is, and what came back how.
///
/// It gives frames from anywhere, the next ones each time, so that a frame that was just freed is
/// not the next to be given.
public final class KernelPool: @unchecked Sendable {
  /// A call of `freeFrames`.
  public struct Freed: Equatable, Sendable {
    public let first: UInt64
    public let frameCount: UInt64
    public init(_ first: UInt64, _ frameCount: UInt64) {
      self.first = first
      self.frameCount = frameCount
    }
  }

  /// A call of `allocateFrames`.
  public struct Request: Equatable, Sendable {
    public let frameCount: UInt64
    public let alignment: UInt64
    public let limit: UInt64
    public init(_ frameCount: UInt64, alignment: UInt64, limit: UInt64) {
      self.frameCount = frameCount
      self.alignment = alignment
      self.limit = limit
    }
  }

  private enum Owner { case nobody, pool, tessera }

  // Access: under the lock, all of them.
  private let lock = NSLock()
  private var owners: [Owner]
  private var next = 0
  private var given = 0
  private var returned = 0
  private var found: [String] = []
  private var freedRuns: [Freed] = []
  private var asked: Request?
  private var callsUntilRefusal = 0
  private var refused = false
  private var falseAnswer: UInt64?

  /// Whether frames of the pool may be claimed without its being told.
  private let acceptsClaimed: Bool

  /// A pool of the frames in `numbers`, of as many as there are slots. If it `acceptsClaimed`, it
  /// looks at the slots, gives no frame that somebody has claimed, and takes it back.
  public init(_ numbers: [Range<Int>], acceptsClaimed: Bool = false) {
    self.acceptsClaimed = acceptsClaimed
    owners = Array(repeating: .nobody, count: numbers.map(\.upperBound).max() ?? 0)
    for range in numbers { for number in range { owners[number] = .pool } }
    // Zero says that there is no memory.
    if !owners.isEmpty { owners[0] = .nobody }
  }

  /// What Tessera is given. The pool must live as long as that is used.
  public var allocator: ExternalAllocator {
    unsafe ExternalAllocator(
      allocateFrames: Self.allocateFrames, freeFrames: Self.freeFrames, context: context)
  }

  public var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

  public static let allocateFrames: ExternalAllocator.Allocate = {
    context, count, alignment, limit in
    KernelPool.at(context).allocate(count, alignment, limit)
  }

  public static let freeFrames: ExternalAllocator.Free = { context, first, count in
    KernelPool.at(context).free(first, count)
  }

  private static func at(_ context: UnsafeMutableRawPointer?) -> KernelPool {
    Unmanaged<KernelPool>.fromOpaque(context!).takeUnretainedValue()
  }
}

extension KernelPool {
  /// How many frames were given.
  public var givenCount: Int { lock.withLock { given } }
  /// How many came back.
  public var returnedCount: Int { lock.withLock { returned } }
  /// How many are out.
  public var outCount: Int { lock.withLock { given - returned } }
  /// What was asked for or given back that must not be. Empty when all is well.
  public var problems: [String] { lock.withLock { found } }

  /// The calls of `freeFrames` since this was asked last.
  public func takeFreed() -> [Freed] {
    lock.withLock {
      defer { freedRuns = [] }
      return freedRuns
    }
  }

  /// What was asked for last.
  public var lastRequest: Request? { lock.withLock { asked } }

  /// Makes the `ordinal`-th request from now on find nothing; 0 makes none.
  public func refuse(_ ordinal: Int) {
    lock.withLock {
      callsUntilRefusal = ordinal
      refused = false
    }
  }

  /// Whether a request found nothing because of `refuse`.
  public var hasRefused: Bool { lock.withLock { refused } }

  /// Answers the next request with `address`, whatever it asks for.
  public func answerNext(_ address: UInt64) { lock.withLock { falseAnswer = address } }

  /// Takes a frame for the kernel itself, which Tessera knows nothing of.
  public func takeForKernel() -> UInt64? {
    lock.withLock {
      guard let number = find(1, 1, owners.count) else { return nil }
      owners[number] = .nobody
      return UInt64(number) << 12
    }
  }

  /// Hands frame `first` over to Tessera, which claims it by its address.
  public func handOver(_ first: UInt64) {
    lock.withLock {
      owners[Int(first >> 12)] = .tessera
      given += 1
    }
  }

  /// Adds frames that were kept for something else.
  public func add(_ numbers: Range<Int>) {
    lock.withLock { for number in numbers { owners[number] = .pool } }
  }
}

extension KernelPool {
  private func allocate(_ count: UInt64, _ alignment: UInt64, _ limit: UInt64) -> UInt64 {
    lock.withLock {
      asked = Request(count, alignment: alignment, limit: limit)
      if let answer = falseAnswer {
        falseAnswer = nil
        return answer
      }
      if alignment < 4096 || alignment.nonzeroBitCount != 1 {
        found.append("asked for an alignment of \(alignment)")
      }
      if count == 0 || limit % 4096 != 0 || limit == 0 {
        found.append("asked for \(count) frames below \(limit)")
      }
      if callsUntilRefusal > 0 {
        callsUntilRefusal -= 1
        refused = callsUntilRefusal == 0
        if refused { return 0 }
      }
      let end = min(owners.count, Int(clamping: limit >> 12))
      guard let number = find(Int(clamping: count), Int(clamping: alignment >> 12), end) else {
        return 0
      }
      for frame in number..<number + Int(count) { owners[frame] = .tessera }
      given += Int(count)
      next = number + Int(count)
      return UInt64(number) << 12
    }
  }

  /// The first of `count` frames of the pool's that end by `end`, from `next` on, or else from the
  /// start.
  private func find(_ count: Int, _ alignment: Int, _ end: Int) -> Int? {
    guard count <= end else { return nil }
    return find(count, alignment, from: next, to: end) ?? find(count, alignment, from: 0, to: end)
  }

  private func find(_ count: Int, _ alignment: Int, from start: Int, to end: Int) -> Int? {
    var number = (start + alignment - 1) / alignment * alignment
    while number <= end - count {
      var length = 0
      while length < count && isFree(number + length) { length += 1 }
      if length == count { return number }
      number += (length / alignment + 1) * alignment
    }
    return nil
  }

  private func isFree(_ number: Int) -> Bool {
    guard owners[number] == .pool else { return false }
    // The first to be given are the records: there are no slots yet.
    guard acceptsClaimed, given > 0 else { return true }
    let slot = FrameTable.slot(number: UInt64(number))
    return slot.kind == .external && slot.count == ReferenceCount.unused
  }

  private func free(_ first: UInt64, _ count: UInt64) {
    lock.withLock {
      freedRuns.append(Freed(first, count))
      if first % 4096 != 0 || count == 0 || (first >> 12) + count > UInt64(owners.count) {
        found.append("gave back \(count) frames from 0x\(String(first, radix: 16)) on")
        return
      }
      for number in Int(first >> 12)..<Int(first >> 12) + Int(count) {
        if acceptsClaimed && owners[number] == .pool {
          given += 1
        } else if owners[number] != .tessera {
          found.append("gave back frame \(number), not its own")
        }
        owners[number] = .pool
        // Another processor may be given the frame as soon as this returns the lock.
        if FrameTable.frameCount > UInt64(number),
          FrameTable.slot(number: UInt64(number)).count != ReferenceCount.unused
        {
          found.append("gave back frame \(number) before letting go of it")
        }
      }
      returned += Int(count)
    }
  }
}
