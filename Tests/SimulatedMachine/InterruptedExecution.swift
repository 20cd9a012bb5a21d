import Foundation

/// Code that is interrupted after each of its instructions, as the most unkind of timers would.
///
/// The trap flag of the processor that runs the tests does it: a signal is the interrupt. Whether
/// the simulated processor accepts interrupts at that point, the handler asks itself.
public enum InterruptedExecution {
  /// What is called at each interrupt. Access: by the thread that is interrupted, also while it
  /// changes this, which a variable would not allow.
  nonisolated(unsafe) private static let handler = {
    let place = UnsafeMutablePointer<(() -> Void)?>.allocate(capacity: 1)
    place.initialize(to: nil)
    return place
  }()

  /// Runs `body`, and `handler` after each of its instructions. Only one thread calls this at a
  /// time. The two must not access the same variable, nor allocate from a heap.
  public static func run(_ body: () -> Void, interruptedBy handler: @escaping () -> Void) {
    var previous = sigaction()
    var action = sigaction()
    action.__sigaction_handler.sa_sigaction = { _, _, context in
      InterruptedExecution.interrupted(context?.assumingMemoryBound(to: ucontext_t.self))
    }
    action.sa_flags = SA_SIGINFO
    sigaction(SIGTRAP, &action, &previous)
    Self.handler.pointee = handler
    raise(SIGTRAP)
    body()
    Self.handler.pointee = nil
    sigaction(SIGTRAP, &previous, nil)
  }

  private static func interrupted(_ context: UnsafeMutablePointer<ucontext_t>?) {
    let trapFlag: Int64 = 0x100
    // The register of flags, REG_EFL.
    if let handler = handler.pointee {
      context?.pointee.uc_mcontext.gregs.17 |= trapFlag
      handler()
    } else {
      context?.pointee.uc_mcontext.gregs.17 &= ~trapFlag
    }
  }
}
