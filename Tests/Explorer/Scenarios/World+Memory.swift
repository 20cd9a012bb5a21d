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
    let word = isWrite ? address + 8 : address
    touchMemory(word, isWrite: isWrite)
    var result: UInt64 = 0
    do {
      if isWrite {
        try machine.mmu.write(UInt8(1), at: word, as: privilege)
        result = 1
      } else {
        result = try machine.mmu.read(UInt64.self, at: word, as: privilege)
      }
    } catch .noMemory {
      // A device has been accessed.
      result = 1
    } catch {}
    explorer_add_result(result)
  }

  /// Has the explorer know which entries the processor is about to read, that it may set bits in
  /// the last of them, and which words it may access then.
  private func touchMemory(_ address: UInt64, isWrite: Bool) {
    let number = Int(Self.current)
    let root = simulated_registers_of(UInt32(number)).pointee.cr3
    var words: [UInt64]
    repeat {
      words = machine.mmu.reachableAddresses(from: address, on: number)
      explorer_touch_memory(root, address, words, UInt32(words.count), isWrite)
      // Others may have changed them before this processor's turn.
    } while words != machine.mmu.reachableAddresses(from: address, on: number)
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
