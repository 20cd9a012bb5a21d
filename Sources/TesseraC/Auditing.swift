// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_audit(
  _ write: tessera_write_fn?, _ context: UnsafeMutableRawPointer?,
  _ violations: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let violations = unsafe try check(violations)
    var audit = Audit(try unsafe CallbackSink(write, context))
    FrameTable.checkInvariants { audit.report($0, at: $1.rawValue) }
    FrameAllocator.checkInvariants { audit.report($0) }
    KernelSpace.checkInvariants(
      allowsWriteExecute: true, { rule, address, _ in audit.report(rule, at: address.rawValue) })
    // SAFETY: the caller lends it.
    unsafe violations.pointee = audit.count
  }
}

@c @implementation @unsafe
public func tessera_audit_space(
  _ space: UnsafePointer<tessera_space>?, _ write: tessera_write_fn?,
  _ context: UnsafeMutableRawPointer?, _ violations: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    let violations = unsafe try check(violations)
    var audit = Audit(try unsafe CallbackSink(write, context))
    if handle.isKernel {
      KernelSpace.checkInvariants(
        allowsWriteExecute: true, { rule, address, _ in audit.report(rule, at: address.rawValue) })
    } else {
      // SAFETY: the handle was found to be a space.
      unsafe handle.space.pointee.checkInvariants(
        allowsWriteExecute: true, { rule, address, _ in audit.report(rule, at: address.rawValue) })
    }
    // SAFETY: the caller lends it.
    unsafe violations.pointee = audit.count
  }
}
