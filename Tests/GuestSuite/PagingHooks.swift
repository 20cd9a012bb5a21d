internal import DemoPlatform
internal import Scenarios
internal import TesseraHardware

/// What a walk through paging needs of the machine that the guest suite runs on.
///
/// The kernel makes the accesses of the program. It executes nothing there: no page has code.
enum PagingHooks {
  /// The error code of the fault of the last access, with bit 32 set; zero if there was none.
  ///
  /// Access: by the one processor that runs the suite.
  nonisolated(unsafe) private static var lastFault: UInt64 = 0

  static var machine: PagingMachine {
    PagingMachine(
      failAllocation: nil,
      access: { PagingHooks.access($0, $1, $2) },
      lastFault: {
        // SAFETY: only one processor runs the suite.
        unsafe PagingHooks.lastFault
      },
      translates: { _, _, _ in true }, isCoherent: { true }, canExecute: false)
  }

  private static func access(_ kind: Int, _ address: UInt64, _ word: UInt64) -> UInt64 {
    if kind == 0 {
      let found = UserAccess.read(address)
      noteFault(unless: found != nil)
      return found ?? 0
    }
    // SAFETY: the walk owns what it maps in user pages, or expects a fault.
    noteFault(unless: unsafe UserAccess.write(word, to: address))
    return 0
  }

  private static func noteFault(unless isDone: Bool) {
    let fault = isDone ? 0 : MemoryProbe.lastFault.errorCode | 1 << 32
    // SAFETY: only one processor runs the suite.
    unsafe lastFault = fault
  }
}
