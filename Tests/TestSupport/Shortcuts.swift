import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

/// The `byteCount` bytes from `start` on.
package func bytes(_ start: UInt64, _ byteCount: UInt64) -> Range<VirtualAddress> {
  VirtualAddress(start)..<VirtualAddress(start + byteCount)
}

/// Whether an optional of what cannot be copied is nil.
package func isGone<Value: ~Copyable>(_ value: borrowing Value?) -> Bool {
  switch value {
  case .none: true
  case .some: false
  }
}

/// Maps a new frame at `address` of `space`, and says where it is.
@discardableResult
package func mapFrame(
  at address: UInt64, in space: borrowing VmSpace, as property: PageProperty = .userReadWrite
) throws -> PhysicalAddress {
  var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
  let memory = frame?.address ?? .zero
  var cursor = try space.cursor(over: bytes(address, 4096))
  try cursor.map(&frame, as: property)
  return memory
}

/// Maps memory that is nobody's at `address` of `space`.
package func mapDevice(
  at address: UInt64, _ memory: UInt64, _ byteCount: UInt64, in space: borrowing VmSpace
) throws {
  var cursor = try space.cursor(over: bytes(address, byteCount))
  try unsafe cursor.mapDevice(
    PhysicalAddress(memory), byteCount: byteCount, as: .userReadWrite)
}

/// Gives the `byteCount` bytes from `address` of `space` on a status.
package func mark(
  _ address: UInt64, _ byteCount: UInt64, as payload: UInt32, in space: borrowing VmSpace
) throws {
  var cursor = try space.cursor(over: bytes(address, byteCount))
  try cursor.setStatus(byteCount, to: payload)
}

/// Maps `frameCount` new frames from `address` of `space` on.
package func mapSegment(
  _ frameCount: Int, at address: UInt64, in space: borrowing VmSpace,
  as property: PageProperty = .userReadWrite
) throws {
  var segment: Segment<PlainMemory>? = try Segment(allocating: frameCount) { _ in PlainMemory() }
  var cursor = try space.cursor(over: bytes(address, UInt64(frameCount) * 4096))
  try cursor.map(&segment, as: property)
}
