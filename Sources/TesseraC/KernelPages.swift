// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraBoot
internal import TesseraHardware
public import TesseraHeader
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_kernel_protect(
  _ start: UnsafeRawPointer?, _ length: UInt64, _ flags: UInt32
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let first = VirtualAddress(UInt64(UInt(bitPattern: start)))
    try check(length > 0, TESSERA_ERROR_EMPTY)
    try check(first.isAligned(to: .fourKiB) && length % 4096 == 0, TESSERA_ERROR_NOT_ALIGNED)
    let access = try PageAccess(onlyRights: flags)
    guard let end = first.advanced(byChecked: length) else {
      throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    do throws(TesseraError) {
      try KernelSpace.protect(first..<end, as: access)
    } catch { throw APIError(error) }
  }
}
