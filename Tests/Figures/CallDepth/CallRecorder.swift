import CTessera
import CallTrace
import Foundation

/// Prints the calls that lead to each access to a page-table entry: a line with the operation, what
/// was accessed, and the return addresses from the innermost outwards, relative to the program.
///
/// Stores are reported by the simulated machine. For reads, the machine's memory is protected, and
/// each access to a page of it that is not yet readable traps.
enum CallRecorder {
  /// The operation that is recorded; empty if none is. Access: by the only thread.
  nonisolated(unsafe) private static var operation = ""
  nonisolated(unsafe) private static var memory: UnsafeMutableRawBufferPointer?

  /// Starts to watch stores to entries, and `memory` for reads.
  static func install(watching memory: UnsafeMutableRawBufferPointer?) {
    self.memory = memory
    // The first call allocates, which a signal handler must not.
    _ = returnAddresses()
    var observer = simulated_observer(
      context: nil,
      entry_write: { _, _, _, _, _ in CallRecorder.print("store") },
      frame_free: { _, _, _, _ in },
      control: { _, _, _, _, _ in },
      user_copy: { _, _, _, _, _, _ in 0 })
    simulated_install_observer(&observer)
    var action = sigaction()
    action.__sigaction_handler.sa_sigaction = { _, information, context in
      CallRecorder.trapped(
        information?.pointee._sifields._sigfault.si_addr,
        context?.assumingMemoryBound(to: ucontext_t.self))
    }
    action.sa_flags = SA_SIGINFO
    sigaction(SIGSEGV, &action, nil)
  }

  /// Records the stores of `body` as those of `name`, and its reads if `reads`.
  static func record<Failure: Error>(
    _ name: String, reads: Bool = false, _ body: () throws(Failure) -> Void
  ) throws(Failure) {
    operation = name
    if reads { protect(memory, PROT_NONE) }
    defer {
      protect(memory, PROT_READ | PROT_WRITE)
      operation = ""
    }
    try body()
  }

  private static func protect(_ bytes: UnsafeMutableRawBufferPointer?, _ protection: Int32) {
    guard let bytes, mprotect(bytes.baseAddress!, bytes.count, protection) != 0 else { return }
    fatalError("the protection of the machine's memory cannot be changed")
  }

  /// A page of the machine's memory was accessed that is not readable.
  private static func trapped(
    _ address: UnsafeMutableRawPointer?, _ context: UnsafeMutablePointer<ucontext_t>?
  ) {
    guard let address, let memory, let base = memory.baseAddress, address >= base,
      address < base + memory.count, let context
    else { fatalError("an access outside the machine's memory") }
    let page = (address - base) & ~4095
    protect(UnsafeMutableRawBufferPointer(start: base + page, count: 4096), PROT_READ | PROT_WRITE)
    let isWrite = context.pointee.uc_mcontext.gregs.19 & 2 != 0
    if !isWrite { print("read") }
  }

  private static func print(_ access: String) {
    guard operation != "" else { return }
    let calls = returnAddresses().map { "\($0)" }
    Swift.print(operation, access, calls.joined(separator: " "), separator: "\t")
  }

  private static func returnAddresses() -> [UInt64] {
    [UInt64](unsafeUninitializedCapacity: 200) { $1 = call_trace($0.baseAddress!, 200) }
  }
}
