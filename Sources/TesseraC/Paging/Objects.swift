// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFaults
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraPager
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_object_create(
  _ store: UnsafePointer<tessera_store>?, _ length: UInt64, _ capacity: UInt64,
  _ object: UnsafeMutablePointer<tessera_object>?
) -> tessera_result {
  result { () throws(APIError) in
    try checkPagerStarted()
    let store = unsafe store == nil ? nil : unsafe try PageStore(store)
    let object = unsafe try CallerOut(object)
    let made = try apiErrors { () throws(TesseraError) in
      try MemoryObject(byteCount: length, store: store, capacity: capacity)
    }
    object.write(made.makeNamed())
  }
}

@c @implementation
public func tessera_object_share(_ object: tessera_object) -> tessera_result {
  result { () throws(APIError) in _ = try find(object).makeNamed() }
}

@c @implementation
public func tessera_object_drop(_ object: tessera_object) -> tessera_result {
  result { () throws(APIError) in
    guard MemoryObject(taking: object) != nil else {
      throw APIError(TESSERA_ERROR_INVALID_OBJECT)
    }
  }
}

@c @implementation
public func tessera_object_resize(_ object: tessera_object, _ length: UInt64) -> tessera_result {
  result { () throws(APIError) in
    let found = try find(object)
    try apiErrors { () throws(TesseraError) in try found.resize(to: length) }
  }
}

@c @implementation @unsafe
public func tessera_object_read(
  _ object: tessera_object, _ offset: UInt64, _ buffer: UnsafeMutableRawPointer?,
  _ length: UInt64, _ done: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    let found = try find(object)
    guard let start = unsafe buffer else { throw APIError(TESSERA_ERROR_INVALID_POINTER) }
    // SAFETY: the caller lends the buffer.
    let bytes = unsafe UnsafeMutableRawBufferPointer(start: start, count: Int(clamping: length))
    // SAFETY: as above.
    var span = unsafe bytes.mutableBytes
    try unsafe finish(found.read(into: &span, at: offset), done)
  }
}

@c @implementation @unsafe
public func tessera_object_write(
  _ object: tessera_object, _ offset: UInt64, _ buffer: UnsafeRawPointer?, _ length: UInt64,
  _ done: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    let found = try find(object)
    guard let start = unsafe buffer else { throw APIError(TESSERA_ERROR_INVALID_POINTER) }
    // SAFETY: the caller lends the buffer.
    let bytes = unsafe UnsafeRawBufferPointer(start: start, count: Int(clamping: length))
    try unsafe finish(found.write(bytes.bytes, at: offset), done)
  }
}

@c @implementation @unsafe
public func tessera_object_sync(
  _ object: tessera_object, _ sync: UnsafeMutablePointer<tessera_sync>?
) -> tessera_result {
  result { () throws(APIError) in
    let result = try find(object).synchronize()
    unsafe CallerOut.write(tessera_sync(result), to: sync)
    try check(result.failed == 0, TESSERA_ERROR_STORE)
    try check(result.beingWritten == 0, TESSERA_ERROR_PAGE_BUSY)
  }
}

@c @implementation @unsafe
public func tessera_map_object(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64,
  _ object: tessera_object, _ offset: UInt64, _ flags: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    let range = try handle.range(address, length)
    try check(offset % 4096 == 0, TESSERA_ERROR_NOT_ALIGNED)
    let property = try PageProperty(flags: flags, isUser: true)
    try handle.withSpace { space throws(APIError) in
      try check(space.isPaged, TESSERA_ERROR_NOT_PAGED)
      let found = try find(object)
      let start = VirtualAddress(address)
      let pages = start..<start.advanced(unchecked: length)
      unsafe try range.perform(conflict) { _ throws(APIError) in
        try apiErrors { () throws(TesseraError) in
          try space.map(found, from: offset / 4096, at: pages, as: property)
        }
      }
    }
  }
}

/// Makes a handle, for the duration of a call, of the object whose handles are `object`.
///
/// - Throws: `INVALID_OBJECT`.
func find(_ object: tessera_object) throws(APIError) -> MemoryObject {
  guard let found = MemoryObject(named: object) else {
    throw APIError(TESSERA_ERROR_INVALID_OBJECT)
  }
  return found
}

/// Writes how many bytes were copied.
///
/// - Throws: the error that `answer` says.
@unsafe private func finish(
  _ answer: (count: Int, end: FaultResolution), _ done: UnsafeMutablePointer<UInt64>?
) throws(APIError) {
  unsafe CallerOut.write(UInt64(answer.count), to: done)
  try answer.end.check()
}

extension tessera_sync {
  fileprivate init(_ result: SynchronizeResult) {
    self.init(
      written: UInt64(result.written), being_written: UInt64(result.beingWritten),
      failed: UInt64(result.failed))
  }
}
