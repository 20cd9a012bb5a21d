import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

extension PageTableNode {
  /// The node of `level` for `address` in the tree under this root; nil if there is none.
  func node(for address: UInt64, at level: Int) -> PageTableNode? {
    var node = self
    var current = PagingMode.current.rootLevel
    while current.number > level {
      let entry = node[VirtualAddress(address).index(at: current)]
      guard entry.isTable else { return nil }
      node = unsafe PageTableNode(at: entry.tableAddress)
      current = current.below
    }
    return node
  }

  /// A number that changes if any word or count of the lower half of the tree under this root does,
  /// but for accessed bits. Tells also if a node is another one.
  func hash(level: PagingLevel = PagingMode.current.rootLevel) -> UInt64 {
    var hash = address.rawValue &* 31 &+ UInt64(presentCount)
    for index in 0..<(level == PagingMode.current.rootLevel ? 256 : 512) {
      let entry = self[index]
      if entry.isAbsent { continue }
      hash = (hash ^ entry.rawValue & ~PageTableEntry.accessed &+ UInt64(index)) &* 0x100_0000_01b3
      guard entry.isTable else { continue }
      hash ^= unsafe PageTableNode(at: entry.tableAddress).hash(level: level.below) &* 17
    }
    return hash
  }
}

extension VmSpace {
  /// The root, for a look behind the scenes.
  var rootNode: PageTableNode { unsafe PageTableNode(at: rootAddress) }

  /// Which rules the space's tables do not keep.
  borrowing func problems(allowsWriteExecute: Bool = false) -> [String] {
    var found: [String] = []
    checkInvariants(allowsWriteExecute: allowsWriteExecute) { rule, address, level in
      found.append("\(rule) (\(String(address.rawValue, radix: 16)), level \(level.number))")
    }
    return found
  }

  var problems: [String] { problems() }
}

extension KernelSpace {
  /// Which rules the tables of the kernel's area do not keep.
  static var problems: [String] {
    var found: [String] = []
    checkInvariants { rule, address, level in
      found.append("\(rule) (\(String(address.rawValue, radix: 16)), level \(level.number))")
    }
    return found
  }
}

/// The `byteCount` bytes from `start` on.
func bytes(_ start: UInt64, _ byteCount: UInt64) -> Range<VirtualAddress> {
  VirtualAddress(start)..<VirtualAddress(start + byteCount)
}

/// Whether an optional of what cannot be copied is nil.
func isGone<Value: ~Copyable>(_ value: borrowing Value?) -> Bool {
  switch value {
  case .none: true
  case .some: false
  }
}

/// Maps a new frame at `address` of `space`, and says where it is.
@discardableResult
func mapFrame(
  at address: UInt64, in space: borrowing VmSpace, as property: PageProperty = .userReadWrite
) throws -> PhysicalAddress {
  var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
  let memory = frame?.address ?? .zero
  var cursor = try space.cursor(over: bytes(address, 4096))
  try cursor.map(&frame, as: property)
  return memory
}

/// Maps memory that is nobody's at `address` of `space`.
func mapDevice(
  at address: UInt64, _ memory: UInt64, _ byteCount: UInt64, in space: borrowing VmSpace
) throws {
  var cursor = try space.cursor(over: bytes(address, byteCount))
  try unsafe cursor.mapDevice(
    PhysicalAddress(memory), byteCount: byteCount, as: .userReadWrite)
}

/// Gives the `byteCount` bytes from `address` of `space` on a status.
func mark(
  _ address: UInt64, _ byteCount: UInt64, as payload: UInt32, in space: borrowing VmSpace
) throws {
  var cursor = try space.cursor(over: bytes(address, byteCount))
  try cursor.setStatus(byteCount, to: payload)
}

/// Maps `frameCount` new frames from `address` of `space` on.
func mapSegment(
  _ frameCount: Int, at address: UInt64, in space: borrowing VmSpace,
  as property: PageProperty = .userReadWrite
) throws {
  var segment: Segment<PlainMemory>? = try Segment(allocating: frameCount) { _ in PlainMemory() }
  var cursor = try space.cursor(over: bytes(address, UInt64(frameCount) * 4096))
  try cursor.map(&segment, as: property)
}
