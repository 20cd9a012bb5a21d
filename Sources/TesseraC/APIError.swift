internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables

/// The error of a C function: the number that it returns.
///
/// Functions check everything that can fail before they change anything, in the order in which the
/// header lists the parameters where that is possible. What traps in Swift is an error here.
struct APIError: Error {
  let result: tessera_result
  /// The page that the change found in the wrong state, if one was.
  let conflict: VirtualAddress?

  init(_ result: Int) {
    self.init(result, at: nil)
  }

  private init(_ result: Int, at conflict: VirtualAddress?) {
    self.result = tessera_result(truncatingIfNeeded: result)
    self.conflict = conflict
  }

  init(_ error: TesseraError) {
    switch error {
    case .empty: self.init(TESSERA_ERROR_EMPTY)
    case .notAligned: self.init(TESSERA_ERROR_NOT_ALIGNED)
    case .outOfBounds: self.init(TESSERA_ERROR_OUT_OF_BOUNDS)
    case .outOfFrames: self.init(TESSERA_ERROR_OUT_OF_FRAMES)
    case .inUse, .unique: self.init(TESSERA_ERROR_IN_USE)
    case .unused: self.init(TESSERA_ERROR_NO_HANDLE)
    case .inTransition: self.init(TESSERA_ERROR_IN_TRANSITION)
    case .alreadyMapped(let address): self.init(TESSERA_ERROR_ALREADY_MAPPED, at: address)
    case .notMapped(let address): self.init(TESSERA_ERROR_NOT_MAPPED, at: address)
    case .rightsWithheld: self.init(TESSERA_ERROR_INVALID_RIGHTS)
    case .usedByProcessor, .managedMemory: self.init(TESSERA_ERROR_RIGHTS_IN_USE)
    case .boot(let error): self.init(error)
    case .notActive: self.init(TESSERA_ERROR_NOT_ACTIVE)
    case .pageBusy: self.init(TESSERA_ERROR_PAGE_BUSY)
    case .storeFailed: self.init(TESSERA_ERROR_STORE)
    case .multiboot: panic("an error that no C function has")
    }
  }
}

/// Returns what a C function returns once `body` has run or thrown.
@inline(__always)
func result(of body: () throws(APIError) -> Void) -> tessera_result {
  do throws(APIError) {
    try body()
    return tessera_result(TESSERA_OK)
  } catch {
    return error.result
  }
}

/// As `result(of:)`, with preemption off while `body` runs.
@inline(__always)
func resultWithoutPreemption(of body: () throws(APIError) -> Void) -> tessera_result {
  let state = Preemption.disable()
  defer { Preemption.enable(state) }
  do throws(APIError) {
    try body()
    return tessera_result(TESSERA_OK)
  } catch {
    return error.result
  }
}

/// Throws `result` unless `condition` holds.
@inline(__always)
func check(_ condition: Bool, _ result: Int) throws(APIError) {
  if !condition { throw APIError(result) }
}

/// Returns `pointer`.
///
/// - Throws: `INVALID_POINTER` if it is null or not aligned.
@inline(__always)
@unsafe func check<Pointee>(
  _ pointer: UnsafePointer<Pointee>?
) throws(APIError) -> UnsafePointer<Pointee> {
  guard let pointer = unsafe pointer,
    UInt(bitPattern: pointer) % UInt(MemoryLayout<Pointee>.alignment) == 0
  else { throw APIError(TESSERA_ERROR_INVALID_POINTER) }
  return unsafe pointer
}

/// Returns `pointer`.
///
/// - Throws: `INVALID_POINTER` if it is null or not aligned.
@inline(__always)
@unsafe func check<Pointee>(
  _ pointer: UnsafeMutablePointer<Pointee>?
) throws(APIError) -> UnsafeMutablePointer<Pointee> {
  unsafe UnsafeMutablePointer(mutating: try check(UnsafePointer(pointer)))
}
