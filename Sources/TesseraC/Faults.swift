// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFaults
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_resolve_fault(
  _ space: UnsafePointer<tessera_space>?, _ fault: UnsafePointer<tessera_fault>?,
  _ resolution: UnsafeMutablePointer<tessera_resolution>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    // SAFETY: the caller lends the structure.
    let fault = unsafe try check(fault).pointee
    try fault.checkSize()
    let options = try SupplyOptions(fault)
    let answer = try handle.withSpace { space throws(APIError) in
      space.resolve(PageFault(fault), options)
    }
    unsafe CallerOut.write(tessera_resolution(answer), to: resolution)
    try answer.check()
  }
}

@c @implementation @unsafe
public func tessera_resolve_access(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ access: UInt32,
  _ resolution: UnsafeMutablePointer<tessera_resolution>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    let access = try MemoryAccess(flag: access)
    let answer = try handle.withSpace { space throws(APIError) in
      space.resolve(access, at: VirtualAddress(address))
    }
    unsafe CallerOut.write(tessera_resolution(answer), to: resolution)
    try answer.check()
  }
}

@c @implementation @unsafe
public func tessera_recover_fault(
  _ address: UInt64, _ errorCode: UInt64, _ instruction: UnsafeMutablePointer<UInt64>?
) -> Bool {
  guard let place = unsafe try? check(instruction) else { return false }
  let fault = PageFault(at: VirtualAddress(address), errorCode: errorCode)
  // SAFETY: the caller lends the memory.
  guard let next = fault.recovery(at: unsafe place.pointee) else { return false }
  // SAFETY: as above.
  unsafe place.pointee = next
  return true
}

extension PageFault {
  fileprivate init(_ fault: tessera_fault) {
    self.init(
      at: VirtualAddress(fault.address), errorCode: fault.error_code, flags: fault.rflags)
  }
}

extension SupplyOptions {
  /// - Throws: `INVALID_ARGUMENT`.
  fileprivate init(_ fault: tessera_fault) throws(APIError) {
    let count = max(1, fault.zero_pages)
    try TesseraC.check(
      count <= 512 && count.nonzeroBitCount == 1 && Int(fault.flags) & ~TESSERA_LARGE_PAGES == 0,
      TESSERA_ERROR_INVALID_ARGUMENT)
    self.init(
      bringsLargePages: Int(fault.flags) & TESSERA_LARGE_PAGES != 0, zeroPageCount: Int(count))
  }
}

extension MemoryAccess {
  /// - Throws: `INVALID_ARGUMENT`.
  fileprivate init(flag: UInt32) throws(APIError) {
    switch Int(flag) {
    case TESSERA_READ: self = .read
    case TESSERA_WRITE: self = .write
    case TESSERA_EXECUTE: self = .execute
    default: throw APIError(TESSERA_ERROR_INVALID_ARGUMENT)
    }
  }
}

extension FaultResolution {
  /// - Throws: `DENIED`, `PENDING`, `PAGE_BUSY`, `STORE` or `OUT_OF_FRAMES` unless the access can
  ///   be repeated.
  func check() throws(APIError) {
    switch self {
    case .resolved: break
    case .denied: throw APIError(TESSERA_ERROR_DENIED)
    case .needs: throw APIError(TESSERA_ERROR_PENDING)
    case .busy: throw APIError(TESSERA_ERROR_PAGE_BUSY)
    case .failed: throw APIError(TESSERA_ERROR_STORE)
    case .outOfFrames: throw APIError(TESSERA_ERROR_OUT_OF_FRAMES)
    }
  }
}

extension tessera_resolution {
  fileprivate init(_ answer: FaultResolution) {
    self.init()
    switch answer {
    case .resolved(let supplied): supply = supplied.number
    case .needs(let number): payload = number
    case .denied, .busy, .failed, .outOfFrames: break
    }
  }
}

extension PageSupply {
  fileprivate var number: UInt32 {
    switch self {
    case .nothing: UInt32(TESSERA_SUPPLY_NOTHING)
    case .zeros: UInt32(TESSERA_SUPPLY_ZEROS)
    case .zeroedFrame: UInt32(TESSERA_SUPPLY_ZEROED_FRAME)
    case .copy: UInt32(TESSERA_SUPPLY_COPY)
    case .takeover: UInt32(TESSERA_SUPPLY_TAKEOVER)
    case .paged: UInt32(TESSERA_SUPPLY_PAGED)
    }
  }
}
