// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_find_free(
  _ space: UnsafePointer<tessera_space>?, _ length: UInt64, _ alignment: UInt64, _ hint: UInt64,
  _ address: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    let address = unsafe try CallerOut(address)
    let found = try handle.withSpace { space throws(APIError) in
      do throws(TesseraError) {
        return try space.findFree(
          byteCount: length, alignedTo: alignment, from: VirtualAddress(hint))
      } catch { throw APIError(error) }
    }
    guard let found else { throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS) }
    address.write(found.rawValue)
  }
}

@c @implementation @unsafe
public func tessera_resident(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64,
  _ resident: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    let range = try unsafe SpaceHandle(space).range(address, length)
    let resident = unsafe try CallerOut(resident)
    resident.write(range.residentByteCount)
  }
}

@c @implementation @unsafe
public func tessera_harvest(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ clear: UInt32,
  _ accessed: UnsafeMutablePointer<UInt64>?, _ dirty: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    let range = try unsafe SpaceHandle(space).range(address, length)
    let found = range.harvest(clearing: try AccessBits(flags: clear))
    unsafe CallerOut.write(found.accessed, to: accessed)
    unsafe CallerOut.write(found.dirty, to: dirty)
  }
}

extension AccessBits {
  /// - Throws: `INVALID_ARGUMENT`.
  fileprivate init(flags: UInt32) throws(APIError) {
    switch Int(flags) {
    case 0: self = .none
    case TESSERA_ACCESSED: self = .accessed
    case TESSERA_DIRTY: self = .dirty
    case TESSERA_ACCESSED | TESSERA_DIRTY: self = .both
    default: throw APIError(TESSERA_ERROR_INVALID_ARGUMENT)
    }
  }
}
