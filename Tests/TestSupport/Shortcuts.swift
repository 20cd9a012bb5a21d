import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

/// Returns the range of `byteCount` bytes that starts at `start`.
package func bytes(_ start: UInt64, _ byteCount: UInt64) -> Range<VirtualAddress> {
  VirtualAddress(start)..<VirtualAddress(start + byteCount)
}

/// Returns whether an optional of a noncopyable type is nil.
package func isGone<Value: ~Copyable>(_ value: borrowing Value?) -> Bool {
  switch value {
  case .none: true
  case .some: false
  }
}

/// Maps a new frame at `address` in `space` and returns the frame's address.
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

/// Maps device memory, which has no owner, at `address` in `space`.
package func mapDevice(
  at address: UInt64, _ memory: UInt64, _ byteCount: UInt64, in space: borrowing VmSpace
) throws {
  var cursor = try space.cursor(over: bytes(address, byteCount))
  try unsafe cursor.mapDevice(
    PhysicalAddress(memory), byteCount: byteCount, as: .userReadWrite)
}

/// Sets the status of `byteCount` bytes at `address` in `space` to `payload`.
package func mark(
  _ address: UInt64, _ byteCount: UInt64, as payload: UInt32, in space: borrowing VmSpace
) throws {
  var cursor = try space.cursor(over: bytes(address, byteCount))
  try cursor.setStatus(byteCount, to: payload)
}

/// Maps a new segment of `frameCount` frames at `address` in `space`.
package func mapSegment(
  _ frameCount: Int, at address: UInt64, in space: borrowing VmSpace,
  as property: PageProperty = .userReadWrite
) throws {
  var segment: Segment<PlainMemory>? = try Segment(allocating: frameCount) { _ in PlainMemory() }
  var cursor = try space.cursor(over: bytes(address, UInt64(frameCount) * 4096))
  try cursor.map(&segment, as: property)
}
