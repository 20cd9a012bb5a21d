// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFaults
internal import TesseraHardware
public import TesseraHeader
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_read_user(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64,
  _ buffer: UnsafeMutableRawPointer?, _ length: UInt64, _ done: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe transfer(space, address, buffer, length, .read, done) {
    space, buffer, count, address throws(APIError) in
    // SAFETY: the caller lends the buffer.
    unsafe space.read(into: buffer, count, at: address)
  }
}

@c @implementation @unsafe
public func tessera_write_user(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ buffer: UnsafeRawPointer?,
  _ length: UInt64, _ done: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  let buffer = unsafe UnsafeMutableRawPointer(mutating: buffer)
  return unsafe transfer(space, address, buffer, length, .write, done) {
    space, buffer, count, address throws(APIError) in
    // SAFETY: the caller lends the buffer.
    unsafe space.write(from: buffer, count, at: address)
  }
}

@c @implementation @unsafe
public func tessera_copy_in(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64,
  _ buffer: UnsafeMutableRawPointer?, _ length: UInt64, _ done: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe transfer(space, address, buffer, length, .read, done) {
    space, buffer, count, address throws(APIError) in
    do throws(TesseraError) {
      let reader = try space.reader(at: address, byteCount: UInt64(count))
      // SAFETY: the caller lends the buffer.
      return unsafe reader.read(into: buffer, count)
    } catch { return try error.nothingDone() }
  }
}

@c @implementation @unsafe
public func tessera_copy_out(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ buffer: UnsafeRawPointer?,
  _ length: UInt64, _ done: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  let buffer = unsafe UnsafeMutableRawPointer(mutating: buffer)
  return unsafe transfer(space, address, buffer, length, .write, done) {
    space, buffer, count, address throws(APIError) in
    do throws(TesseraError) {
      let writer = try space.writer(at: address, byteCount: UInt64(count))
      // SAFETY: the caller lends the buffer.
      return unsafe writer.write(from: buffer, count)
    } catch { return try error.nothingDone() }
  }
}

extension TesseraError {
  /// Zero, for bytes that are not all the program's.
  ///
  /// - Throws: any other error.
  fileprivate func nothingDone() throws(APIError) -> Int {
    if self == .outOfBounds { return 0 }
    throw APIError(self)
  }
}

@c @implementation @unsafe
public func tessera_fill_user(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ byte: UInt8,
  _ done: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    try handle.withSpace { space throws(APIError) in
      let count = space.fill(clamped(length), with: byte, at: VirtualAddress(address))
      try unsafe finish(count, of: length, .write, from: address, space, done)
    }
  }
}

@c @implementation @unsafe
public func tessera_copy_user(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64,
  _ source: UnsafePointer<tessera_space>?, _ sourceAddress: UInt64, _ length: UInt64,
  _ done: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    let target = unsafe try SpaceHandle(space)
    let origin = unsafe try SpaceHandle(source)
    try target.withSpace { space throws(APIError) in
      try origin.withSpace { source throws(APIError) in
        let count = space.copy(
          clamped(length), from: VirtualAddress(sourceAddress), of: source,
          to: VirtualAddress(address))
        do throws(APIError) {
          try unsafe finish(count, of: length, .read, from: sourceAddress, source, done)
        } catch { return try unsafe finish(count, of: length, .write, from: address, space, done) }
      }
    }
  }
}

@c @implementation @unsafe
public func tessera_read_user_string(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64,
  _ buffer: UnsafeMutablePointer<CChar>?, _ size: UInt64, _ length: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    guard let buffer = UnsafeMutableRawPointer(buffer) else {
      throw APIError(TESSERA_ERROR_INVALID_POINTER)
    }
    try handle.withSpace { space throws(APIError) in
      // SAFETY: the caller lends the buffer.
      let found = unsafe space.readString(into: buffer, clamped(size), at: VirtualAddress(address))
      switch found {
      case .complete(let count): unsafe CallerOut.write(UInt64(count), to: length)
      case .tooLong:
        unsafe CallerOut.write(size, to: length)
        throw APIError(TESSERA_ERROR_TOO_LONG)
      case .denied(let count):
        try unsafe finish(count, of: size, .read, from: address, space, length)
      }
    }
  }
}

/// Copies between `buffer` and `address` of `space` by `copy`, which returns how many bytes it
/// copied.
@unsafe private func transfer(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ buffer: UnsafeMutableRawPointer?,
  _ length: UInt64, _ access: MemoryAccess, _ done: UnsafeMutablePointer<UInt64>?,
  _ copy: (
    borrowing VmSpace, UnsafeMutableRawPointer, Int, VirtualAddress
  ) throws(APIError) -> Int
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    guard let buffer = unsafe buffer else { throw APIError(TESSERA_ERROR_INVALID_POINTER) }
    try handle.withSpace { space throws(APIError) in
      let count = unsafe try copy(space, buffer, clamped(length), VirtualAddress(address))
      try unsafe finish(count, of: length, access, from: address, space, done)
    }
  }
}

/// `length` as a number of bytes: no memory has more.
private func clamped(_ length: UInt64) -> Int { Int(min(length, 1 << 62)) }

/// Writes the number of bytes that were accessed.
///
/// - Throws: why there are no more, if they are not all of `length`.
@unsafe private func finish(
  _ count: Int, of length: UInt64, _ access: MemoryAccess, from address: UInt64,
  _ space: borrowing VmSpace, _ done: UnsafeMutablePointer<UInt64>?
) throws(APIError) {
  unsafe CallerOut.write(UInt64(count), to: done)
  if UInt64(count) == length { return }
  guard let next = VirtualAddress(address).advanced(byChecked: UInt64(count)) else {
    throw APIError(TESSERA_ERROR_DENIED)
  }
  try space.resolve(access, at: next).check()
  // It allows the access by now, or is none of the memory that the kernel can use.
  throw APIError(TESSERA_ERROR_DENIED)
}
