/// The number of frames in each state, and of those in use for each usage.
public struct FrameCensus: Equatable, Sendable {
  /// Frames that have no owner and are not in Tessera's allocator; they are in the kernel's
  /// allocator, if there is one.
  public var unused: UInt64 = 0
  /// Frames in the allocator.
  public var free: UInt64 = 0
  /// Frames with one owner, who does not share them.
  public var unique: UInt64 = 0
  /// Frames with counted owners.
  public var shared: UInt64 = 0
  private var usages = [16 of UInt64](repeating: 0)

  /// The number of frames in use for `usage`.
  public func count(of usage: FrameUsage) -> UInt64 { usages[Int(usage.rawValue)] }

  public static func == (left: FrameCensus, right: FrameCensus) -> Bool {
    for index in 0..<16 where left.usages[index] != right.usages[index] { return false }
    return left.unused == right.unused && left.free == right.free && left.unique == right.unique
      && left.shared == right.shared
  }

  fileprivate mutating func add(_ slot: FrameSlotReference) {
    switch slot.count {
    case ReferenceCount.unused: unused += 1
    case ReferenceCount.free: free += 1
    case ReferenceCount.unique: unique += 1
    default: shared += 1
    }
    usages[Int(slot.kind.usage.rawValue)] += 1
  }
}

extension FrameTable {
  /// Counts all frames. Exact while no other processor changes one.
  public static var census: FrameCensus {
    var census = FrameCensus()
    for number in 0..<frameCount { census.add(slot(number: number)) }
    return census
  }
}
