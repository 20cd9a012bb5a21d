import TesseraHardware
import Testing

@Suite("Spin lock") struct SpinLockTests {
  /// Whether interrupts are enabled. Does not change that.
  private func areInterruptsOn() -> Bool {
    let areOn = Processor.disableInterrupts()
    Processor.restoreInterrupts(areOn)
    return areOn
  }

  @Test(arguments: [true, false])
  func `a lock is held with interrupts disabled, and unlocking restores them`(wereOn: Bool) {
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
