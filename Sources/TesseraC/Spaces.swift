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
  // SAFETY: the caller accesses the space through the functions of the header alone.
  return unsafe SpaceHandle.kernel
}

@c @implementation @unsafe
public func tessera_space_create(
  _ space: UnsafeMutablePointer<tessera_space>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    unsafe try SpaceHandle.create(at: check(space))
  }
}

@c @implementation @unsafe
public func tessera_space_new(
  _ space: UnsafeMutablePointer<UnsafeMutablePointer<tessera_space>?>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let space = unsafe try CallerOut(space)
    unsafe space.write(try SpaceHandle.make())
  }
}

@c @implementation @unsafe
public func tessera_space_fork(
  _ parent: UnsafePointer<tessera_space>?,
  _ child: UnsafeMutablePointer<UnsafeMutablePointer<tessera_space>?>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(parent)
    let child = unsafe try CallerOut(child)
    unsafe child.write(try handle.fork())
  }
}

@c @implementation @unsafe
public func tessera_space_destroy(
  _ space: UnsafeMutablePointer<tessera_space>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    try check(!handle.isKernel, TESSERA_ERROR_KERNEL_SPACE)
    try handle.destroy()
  }
}

@c @implementation @unsafe
public func tessera_space_activate(_ space: UnsafePointer<tessera_space>?) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    try check(ActiveSpace.isStartedHere, TESSERA_ERROR_NOT_STARTED)
    handle.activate()
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
    let start = unsafe try CallerOut(start)
    let end = unsafe try CallerOut(end)
    start.write(bounds.lowerBound.rawValue)
    end.write(bounds.upperBound.rawValue)
  }
}

@c @implementation @unsafe
public func tessera_translate(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64,
  _ physical: UnsafeMutablePointer<UInt64>?, _ flags: UnsafeMutablePointer<UInt32>?
) -> tessera_result {
  resultWithoutPreemption { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    let physical = unsafe try CallerOut(physical)
    guard let found = handle.translate(VirtualAddress(address)) else {
      throw APIError(TESSERA_ERROR_NOT_MAPPED)
    }
    physical.write(found.address.rawValue)
    unsafe CallerOut.write(found.property.flags, to: flags)
  }
}
