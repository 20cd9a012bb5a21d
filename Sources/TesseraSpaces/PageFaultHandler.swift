/// Resolves page faults of an address space. Returns whether it did, so that the access succeeds
/// when it is tried again.
///
/// Called with the fault's address, its error code, and the context that was given with the
/// handler, such as the address of the kernel's process structure. Called on the processor that
/// faulted, with no cursor of the space open there. A C function, because it captures nothing and
/// needs no memory.
public typealias PageFaultHandler =
  @convention(c) (_ address: UInt64, _ errorCode: UInt64, _ context: UInt) -> Bool
