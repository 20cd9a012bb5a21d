internal import TesseraFrames
internal import TesseraHeader
internal import TesseraPageTables

/// Why something was refused, as the header numbers it.
struct Refusal: Error {
  let status: tessera_result

  init(_ status: Int) { self.status = tessera_result(truncatingIfNeeded: status) }

  init(_ error: FrameError) {
    switch error {
    case .notAligned: self.init(TESSERA_ERROR_NOT_ALIGNED)
    case .outOfBounds: self.init(TESSERA_ERROR_OUT_OF_BOUNDS)
    case .inUse, .unique: self.init(TESSERA_ERROR_IN_USE)
    case .unused: self.init(TESSERA_ERROR_NO_HANDLE)
    case .inTransition: self.init(TESSERA_ERROR_BUSY)
    case .outOfFrames: self.init(TESSERA_ERROR_OUT_OF_FRAMES)
    case .empty: self.init(TESSERA_ERROR_EMPTY)
    }
  }

  init(_ error: RangeError) {
    switch error {
    case .empty: self.init(TESSERA_ERROR_EMPTY)
    case .notAligned: self.init(TESSERA_ERROR_NOT_ALIGNED)
    case .outOfBounds: self.init(TESSERA_ERROR_OUT_OF_BOUNDS)
    case .outOfFrames: self.init(TESSERA_ERROR_OUT_OF_FRAMES)
    }
  }

  init(_ error: MapError) {
    switch error {
    case .alreadyMapped: self.init(TESSERA_ERROR_MAPPED)
    case .notMapped: self.init(TESSERA_ERROR_NOT_MAPPED)
    case .outOfFrames: self.init(TESSERA_ERROR_OUT_OF_FRAMES)
    }
  }
}

/// What a function of the header returns when `body` is done, or has refused.
@inline(__always)
func status(of body: () throws(Refusal) -> Void) -> tessera_result {
  do throws(Refusal) {
    try body()
    return tessera_result(TESSERA_OK)
  } catch {
    return error.status
  }
}

/// Refuses with `status` unless `condition` holds.
@inline(__always)
func demand(_ condition: Bool, _ status: Int) throws(Refusal) {
  if !condition { throw Refusal(status) }
}

/// What `pointer` leads to, if it leads anywhere and is aligned.
@inline(__always)
@unsafe func demand<Pointee>(
  _ pointer: UnsafeMutablePointer<Pointee>?
) throws(Refusal) -> UnsafeMutablePointer<Pointee> {
  guard let pointer = unsafe pointer,
    UInt(bitPattern: pointer) % UInt(MemoryLayout<Pointee>.alignment) == 0
  else { throw Refusal(TESSERA_ERROR_NULL) }
  return unsafe pointer
}

/// What `pointer` leads to, if it leads anywhere and is aligned.
@inline(__always)
@unsafe func demand<Pointee>(
  _ pointer: UnsafePointer<Pointee>?
) throws(Refusal) -> UnsafePointer<Pointee> {
  guard let pointer = unsafe pointer,
    UInt(bitPattern: pointer) % UInt(MemoryLayout<Pointee>.alignment) == 0
  else { throw Refusal(TESSERA_ERROR_NULL) }
  return unsafe pointer
}
