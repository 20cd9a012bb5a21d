import Foundation
public import TesseraFrames

/// A kernel's own allocator, which tracks all calls and the owner of each frame to report misuse.
///
/// Allocates next-fit, so that a frame that was just freed is not allocated next.
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

  private enum Owner { case unowned, pool, tessera }

  // Access: under the lock, all of them.
  private let lock = NSLock()
  private var owners: [Owner]
  private var next = 0
  private var given = 0
  private var returned = 0
  private var found: [String] = []
  private var freedRuns: [Freed] = []
  private var asked: Request?
  private var callsUntilFailure = 0
  private var failed = false
  private var falseAnswer: UInt64?
  private var nextCall: (@Sendable () -> Void)?

  /// Whether frames of the pool may be claimed without a call of the pool.
  private let acceptsClaimed: Bool

  /// Creates a pool of the frames with `numbers`, all of which have slots.
  ///
  /// If it `acceptsClaimed`, the pool reads the slots to skip frames that are claimed, and accepts
  /// such frames when they are freed.
  public init(_ numbers: [Range<Int>], acceptsClaimed: Bool = false) {
    self.acceptsClaimed = acceptsClaimed
    owners = Array(repeating: .unowned, count: numbers.map(\.upperBound).max() ?? 0)
    for range in numbers { for number in range { owners[number] = .pool } }
    // The address zero means that no memory is available.
    if !owners.isEmpty { owners[0] = .unowned }
  }

  /// The allocator to pass to Tessera. The pool must outlive its use.
  public var allocator: ExternalAllocator {
    unsafe ExternalAllocator(
      allocateFrames: Self.allocateFrames, freeFrames: Self.freeFrames, context: context)
  }

  public var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

  public static let allocateFrames: ExternalAllocator.Allocate = {
    context, count, alignment, limit in
    let pool = KernelPool.at(context)
    pool.takeNextCall()?()
    return pool.allocate(count, alignment, limit)
  }

  public static let freeFrames: ExternalAllocator.Free = { context, first, count in
    KernelPool.at(context).free(first, count)
  }

  private static func at(_ context: UnsafeMutableRawPointer?) -> KernelPool {
    Unmanaged<KernelPool>.fromOpaque(context!).takeUnretainedValue()
  }
}

extension KernelPool {
  /// The number of frames allocated since the start.
  public var givenCount: Int { lock.withLock { given } }
  /// The number of frames freed since the start.
  public var returnedCount: Int { lock.withLock { returned } }
  /// The number of frames that are allocated.
  public var outCount: Int { lock.withLock { given - returned } }
  /// The invalid calls so far, empty if there were none.
  public var problems: [String] { lock.withLock { found } }

  /// Returns the calls of `freeFrames` since the last call of this function.
  public func takeFreed() -> [Freed] {
    lock.withLock {
      defer { freedRuns = [] }
      return freedRuns
    }
  }

  /// The last call of `allocateFrames`.
  public var lastRequest: Request? { lock.withLock { asked } }

  /// Makes the `ordinal`-th allocation from now on fail; 0 makes none fail.
  public func failCall(_ ordinal: Int) {
    lock.withLock {
      callsUntilFailure = ordinal
      failed = false
    }
  }

  /// Whether an allocation failed because of `failCall(_:)`.
  public var hasFailed: Bool { lock.withLock { failed } }

  /// Returns `address` from the next allocation, whatever its arguments are.
  public func answerNext(_ address: UInt64) { lock.withLock { falseAnswer = address } }

  /// Calls `body` from the next allocation, before it allocates: what other processors do then.
  public func onNextAllocation(_ body: @escaping @Sendable () -> Void) {
    lock.withLock { nextCall = body }
  }

  private func takeNextCall() -> (@Sendable () -> Void)? {
    lock.withLock {
      defer { nextCall = nil }
      return nextCall
    }
  }

  /// Allocates a frame for the kernel itself, without Tessera.
  public func takeForKernel() -> UInt64? {
    lock.withLock {
      guard let number = find(1, 1, owners.count) else { return nil }
      owners[number] = .unowned
      return UInt64(number) << 12
    }
  }

  /// Transfers the frame at `first` to Tessera, which claims it by its address.
  public func handOver(_ first: UInt64) {
    lock.withLock {
      owners[Int(first >> 12)] = .tessera
      given += 1
    }
  }

  /// Adds frames that were reserved until now.
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
        found.append("allocated with an alignment of \(alignment)")
      }
      if count == 0 || limit % 4096 != 0 || limit == 0 {
        found.append("allocated \(count) frames below \(limit)")
      }
      if callsUntilFailure > 0 {
        callsUntilFailure -= 1
        failed = callsUntilFailure == 0
        if failed { return 0 }
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

  /// Returns the first of `count` contiguous free frames that end by `end`, searching from `next`
  /// and then from the start.
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
    // The first allocation is for the frame metadata, when there are no slots yet.
    guard acceptsClaimed, given > 0 else { return true }
    let slot = FrameTable.slot(number: UInt64(number))
    return slot.kind == .external && slot.count == ReferenceCount.unused
  }

  private func free(_ first: UInt64, _ count: UInt64) {
    lock.withLock {
      freedRuns.append(Freed(first, count))
      if first % 4096 != 0 || count == 0 || (first >> 12) + count > UInt64(owners.count) {
        found.append("freed \(count) frames at 0x\(String(first, radix: 16)), an invalid range")
        return
      }
      for number in Int(first >> 12)..<Int(first >> 12) + Int(count) {
        if acceptsClaimed && owners[number] == .pool {
          given += 1
        } else if owners[number] != .tessera {
          found.append("freed frame \(number), which is not allocated to it")
        }
        owners[number] = .pool
        // Another processor may allocate the frame once the lock is released.
        if FrameTable.frameCount > UInt64(number),
          FrameTable.slot(number: UInt64(number)).count != ReferenceCount.unused
        {
          found.append("freed frame \(number) while its slot is in use")
        }
      }
      returned += Int(count)
    }
  }
}
