import CTessera
import ExplorerRuntime
import SimulatedMachine
import Tessera
import TesseraHardware

// Accesses to memory by a program, through the tables and the TLB of its processor.
extension World {
  func read(_ page: Int) { access(Self.pages[page].rawValue, isWrite: false, as: .user) }

  /// Sets the dirty bit, if the page may be written.
  func write(_ page: Int) { access(Self.pages[page].rawValue, isWrite: true, as: .user) }

  /// Reads kernel memory at `address`.
  func readKernel(_ address: UInt64) { access(address, isWrite: false, as: .supervisor) }

  /// Adds what was read to the outcome: who has filled the frame, or 0 after a fault.
  private func access(_ address: UInt64, isWrite: Bool, as privilege: Privilege) {
    explorer_begin_call()
    touchTables(address, isWrite: isWrite)
    var result: UInt64 = 0
    do {
      if isWrite {
        try machine.mmu.write(UInt8(1), at: address + 8, as: privilege)
        result = 1
      } else {
        result = try machine.mmu.read(UInt64.self, at: address, as: privilege)
      }
    } catch .noMemory {
      // A device has been accessed.
      result = 1
    } catch {}
    explorer_add_result(result)
  }

  /// Has the explorer know which entries the processor is about to read, and that it may set bits
  /// in the last of them.
  private func touchTables(_ address: UInt64, isWrite: Bool) {
    let root = simulated_registers_of(UInt32(Self.current)).pointee.cr3
    explorer_touch_tables(root, address, isWrite)
  }

  /// Fails unless no processor may use a translation of `page` that permits any of `accesses`: for
  /// the end of a call that has removed them, if no other call grants them.
  func expectNone(of accesses: AccessSet = .all, at page: Int, count: Int = 1) {
    explorer_check_translations()
    let start = Self.pages[page].rawValue
    let found = machine.mmu.cachedAccesses(in: start..<start + UInt64(count) * 4096)
    if !found.intersection(accesses).isEmpty {
      explorer_fail("stale", "a TLB may hold a translation when the call that removed it returns")
    }
  }
}
