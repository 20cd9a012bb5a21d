import CTessera
import SimulatedMachine
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

  /// An interrupt handler that acquires the lock would wait for the code that it interrupts.
  @Test func `no interrupt arrives while a lock is held`() {
    let lock = UnsafeMutablePointer<SpinLock>.allocate(capacity: 1)
    lock.initialize(to: SpinLock())
    defer {
      lock.deinitialize(count: 1)
      lock.deallocate()
    }
    // A free lock is all zeros.
    let words = UnsafeRawBufferPointer(start: lock, count: MemoryLayout<SpinLock>.size)
    let processor = simulated_current_processor()
    processor.pointee.interrupts_enabled = true
    var heldCount = 0
    var interruptCount = 0
    var bothCount = 0
    InterruptedExecution.run {
      let interrupts = lock.pointee.lock()
      lock.pointee.unlock(interrupts)
    } interruptedBy: {
      let isHeld = words.contains { $0 != 0 }
      let isInterrupt = processor.pointee.interrupts_enabled
      if isHeld { heldCount += 1 }
      if isInterrupt { interruptCount += 1 }
      if isHeld && isInterrupt { bothCount += 1 }
    }
    #expect(heldCount > 0 && interruptCount > 0)
    #expect(bothCount == 0)
  }
}
