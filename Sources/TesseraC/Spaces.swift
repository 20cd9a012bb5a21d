// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

@c @implementation
public func tessera_kernel_space() -> UnsafeMutablePointer<tessera_space>! {
  guard (try? Start.checkStarted()) != nil else { return nil }
  // SAFETY: the pointer is for the caller, who may look inside by our functions alone.
  return unsafe SpaceHandle.kernel
}

@c @implementation @unsafe
public func tessera_space_create(
  _ space: UnsafeMutablePointer<tessera_space>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let storage = unsafe try check(space)
    unsafe try SpaceHandle.make(at: storage)
  }
}

@c @implementation @unsafe
public func tessera_space_destroy(
  _ space: UnsafeMutablePointer<tessera_space>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    try check(!handle.isKernel, TESSERA_ERROR_KERNEL_SPACE)
    _ = handle.take()
  }
}

@c @implementation @unsafe
public func tessera_space_activate(_ space: UnsafePointer<tessera_space>?) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    guard !handle.isKernel else { return VmSpace.deactivate() }
    // SAFETY: the handle was found to be a space.
    unsafe handle.space.pointee.activate()
  }
}

@c @implementation @unsafe
public func tessera_space_root(_ space: UnsafePointer<tessera_space>?) -> UInt64 {
  guard let handle = unsafe try? SpaceHandle(space) else { return 0 }
  return handle.rootAddress
}

@c @implementation @unsafe
public func tessera_space_bounds(
  _ space: UnsafePointer<tessera_space>?, _ start: UnsafeMutablePointer<UInt64>?,
  _ end: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    let bounds = unsafe try SpaceHandle(space).bounds
    let start = unsafe try check(start)
    let end = unsafe try check(end)
    // SAFETY: the caller lends both.
    unsafe start.pointee = bounds.lowerBound.rawValue
    // SAFETY: as above.
    unsafe end.pointee = bounds.upperBound.rawValue
  }
}

@c @implementation @unsafe
public func tessera_translate(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64,
  _ target: UnsafeMutablePointer<UInt64>?, _ flags: UnsafeMutablePointer<UInt32>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    let target = unsafe try check(target)
    // SAFETY: the handle was found to be a space.
    let found =
      handle.isKernel
      ? KernelSpace.translate(VirtualAddress(address))
      : unsafe handle.space.pointee.translate(VirtualAddress(address))
    guard let found else { throw APIError(TESSERA_ERROR_NOT_MAPPED) }
    // SAFETY: the caller lends it.
    unsafe target.pointee = found.address.rawValue
    // SAFETY: the caller lends it, or gives none.
    if let flags = unsafe flags { unsafe flags.pointee = found.property.flags }
  }
}
