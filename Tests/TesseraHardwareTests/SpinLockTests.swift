import TesseraHardware
import Testing

@Suite("Spin lock") struct SpinLockTests {
  /// Whether interrupts are on; they are left as they are.
  private func areInterruptsOn() -> Bool {
    let areOn = Processor.disableInterrupts()
    Processor.restoreInterrupts(areOn)
    return areOn
  }

  @Test(arguments: [true, false])
  func `a lock is held with interrupts off, and gives back what was before`(wereOn: Bool) {
    let before = Processor.disableInterrupts()
    defer { Processor.restoreInterrupts(before) }
    Processor.restoreInterrupts(wereOn)
    let lock = SpinLock()

    let interrupts = lock.lock()
    #expect(interrupts == wereOn)
    #expect(!areInterruptsOn())

    lock.unlock(interrupts)
    #expect(areInterruptsOn() == wereOn)
  }
}
