// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraHardware
public import TesseraHeader

@c @implementation @unsafe
public func tessera_kernel_stack_allocate(
  _ length: UInt64, _ stack: UnsafeMutablePointer<tessera_kernel_stack>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let stack = unsafe try CallerOut(stack)
    let flags = UInt32(TESSERA_READ | TESSERA_WRITE)
    let range = try mapInFreeRange(length) { pages throws(APIError) in
      try pages.mapZeroed(flags: flags)
    }
    // SAFETY: forming the pointers accesses nothing.
    unsafe stack.write(
      tessera_kernel_stack(
        bottom: UnsafeMutableRawPointer(bitPattern: UInt(range.lowerBound.rawValue)),
        top: UnsafeMutableRawPointer(bitPattern: UInt(range.upperBound.rawValue))))
  }
}

@c @implementation @unsafe
public func tessera_kernel_stack_free(
  _ stack: UnsafePointer<tessera_kernel_stack>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    // SAFETY: the caller lends the structure.
    let stack = unsafe try check(stack).pointee
    // SAFETY: only the addresses are used.
    let bottom = UInt64(UInt(bitPattern: unsafe stack.bottom))
    // SAFETY: as above.
    let top = UInt64(UInt(bitPattern: unsafe stack.top))
    try check(bottom <= top, TESSERA_ERROR_OUT_OF_BOUNDS)
    try check(top % 4096 == 0, TESSERA_ERROR_NOT_ALIGNED)
    let pointer = Processor.stackPointer
    try check(pointer <= bottom || pointer > top, TESSERA_ERROR_IN_USE)
    try unmapKernelRange(bottom, top - bottom)
  }
}
