internal import TesseraFrames
internal import TesseraHeader
internal import TesseraPageTables

/// Why something was refused, as the header numbers it.
struct APIError: Error {
  let result: tessera_result

  init(_ result: Int) { self.result = tessera_result(truncatingIfNeeded: result) }

  init(_ error: FrameError) {
    switch error {
    case .notAligned: self.init(TESSERA_ERROR_NOT_ALIGNED)
    case .outOfBounds: self.init(TESSERA_ERROR_OUT_OF_BOUNDS)
    case .inUse, .unique: self.init(TESSERA_ERROR_IN_USE)
    case .unused: self.init(TESSERA_ERROR_NO_HANDLE)
    case .inTransition: self.init(TESSERA_ERROR_IN_TRANSITION)
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
    case .alreadyMapped: self.init(TESSERA_ERROR_ALREADY_MAPPED)
    case .notMapped: self.init(TESSERA_ERROR_NOT_MAPPED)
    case .outOfFrames: self.init(TESSERA_ERROR_OUT_OF_FRAMES)
    }
  }
}

/// What a function of the header returns when `body` is done, or has refused.
@inline(__always)
func result(of body: () throws(APIError) -> Void) -> tessera_result {
  do throws(APIError) {
    try body()
    return tessera_result(TESSERA_OK)
  } catch {
    return error.result
  }
}

/// Refuses with `status` unless `condition` holds.
@inline(__always)
func check(_ condition: Bool, _ status: Int) throws(APIError) {
  if !condition { throw APIError(status) }
}

/// What `pointer` leads to, if it leads anywhere and is aligned.
@inline(__always)
@unsafe func check<Pointee>(
  _ pointer: UnsafeMutablePointer<Pointee>?
) throws(APIError) -> UnsafeMutablePointer<Pointee> {
  guard let pointer = unsafe pointer,
    UInt(bitPattern: pointer) % UInt(MemoryLayout<Pointee>.alignment) == 0
  else { throw APIError(TESSERA_ERROR_INVALID_POINTER) }
  return unsafe pointer
}

/// What `pointer` leads to, if it leads anywhere and is aligned.
@inline(__always)
@unsafe func check<Pointee>(
  _ pointer: UnsafePointer<Pointee>?
) throws(APIError) -> UnsafePointer<Pointee> {
  guard let pointer = unsafe pointer,
    UInt(bitPattern: pointer) % UInt(MemoryLayout<Pointee>.alignment) == 0
  else { throw APIError(TESSERA_ERROR_INVALID_POINTER) }
  return unsafe pointer
}
