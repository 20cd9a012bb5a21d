// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFaults
internal import TesseraHardware
public import TesseraHeader
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_load_user(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ size: UInt32,
  _ value: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe withValue(space, address, size, .read) { space, address throws(APIError) in
    let place = unsafe try CallerOut(value)
    let found =
      size == 4
      ? space.load(UInt32.self, at: address).map(UInt64.init)
      : space.load(UInt64.self, at: address)
    if let found { place.write(found) }
    return found != nil
  }
}

@c @implementation @unsafe
public func tessera_store_user(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ size: UInt32, _ value: UInt64
) -> tessera_result {
  unsafe withValue(space, address, size, .write) { space, address throws(APIError) in
    size == 4
      ? space.store(UInt32(truncatingIfNeeded: value), at: address)
      : space.store(value, at: address)
  }
}

@c @implementation @unsafe
public func tessera_compare_exchange_user(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ size: UInt32,
  _ expected: UnsafeMutablePointer<UInt64>?, _ value: UInt64
) -> tessera_result {
  unsafe withValue(space, address, size, .write) { space, address throws(APIError) in
    // SAFETY: the caller lends the memory.
    let old = unsafe try check(expected).pointee
    let found =
      size == 4
      ? space.compareExchange(
        UInt32(truncatingIfNeeded: old), UInt32(truncatingIfNeeded: value), at: address
      ).map(UInt64.init)
      : space.compareExchange(old, value, at: address)
    if let found { unsafe CallerOut.write(found, to: expected) }
    return found != nil
  }
}

/// Calls `body` with the space and the address of a value of `size` bytes. If it returns false, the
/// result is why it cannot be accessed.
@unsafe private func withValue(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ size: UInt32,
  _ access: MemoryAccess, _ body: (borrowing VmSpace, VirtualAddress) throws(APIError) -> Bool
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    try check(size == 4 || size == 8, TESSERA_ERROR_INVALID_ARGUMENT)
    try check(address % UInt64(size) == 0, TESSERA_ERROR_NOT_ALIGNED)
    try handle.withSpace { space throws(APIError) in
      let address = VirtualAddress(address)
      if try body(space, address) { return }
      try space.resolve(access, at: address).check()
      throw APIError(TESSERA_ERROR_DENIED)
    }
  }
}
