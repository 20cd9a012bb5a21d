import CTessera
import Foundation
import TesseraHardware
import Testing

@testable import SimulatedMachine

extension OnSimulatedMachine {
  /// Interrupts of processors that have threads of their own. Processor 0 interrupts processor 1.
  @Suite("Concurrency of interrupts") struct InterruptConcurrencyTests {
    private let machine: SimulatedMachine

    init() {
      machine = SimulatedMachine(frameCount: 8, processorCount: 2)
      Handled.count.reset()
      simulated_set_interrupt_handler {
        if Processor.current == 1 && !hw_disable_interrupts() { Handled.count.add() }
      }
    }

    /// Runs `receive` on processor 1, and interrupts that `count` times once `receive` has called
    /// what it is passed first; the second one waits until that has been done. Returns how many
    /// interrupts the thread of processor 1 has taken itself.
    private func interrupt(
      _ count: Int = 1,
      _ receive: @escaping @Sendable (_ isReady: () -> Void, _ waitUntilSent: () -> Void) -> Void
    ) -> Int {
      let (ready, sent, taken) = (Counter(), Counter(), Counter())
      machine.onEveryProcessor { processor in
        if processor == 0 {
          while ready.value == 0 { Processor.pause() }
          for _ in 0..<count { hw_interrupt_processors(2, 0) }
          sent.add()
        } else {
          receive({ ready.add() }, { while sent.value == 0 { Processor.pause() } })
          for _ in 0..<simulated_current_processor().pointee.interrupts_taken { taken.add() }
        }
      }
      return taken.value
    }

    @Test func `an interrupt is taken by the thread of its processor`() {
      let taken = interrupt { isReady, _ in
        isReady()
        while Handled.count.value == 0 { Processor.pause() }
      }
      #expect(taken == 1 && Handled.count.value == 1)
    }

    @Test(arguments: 0..<Instruction.all.count)
    func `an interrupt may come at any instruction`(number: Int) {
      let taken = interrupt { isReady, _ in
        isReady()
        while Handled.count.value == 0 { Instruction.all[number]() }
      }
      #expect(taken == 1 && Handled.count.value == 1)
    }

    @Test func `an interrupt is pending while interrupts are off, and comes once`() {
      let early = Counter()
      let taken = interrupt(3) { isReady, waitUntilSent in
        let interrupts = Processor.disableInterrupts()
        isReady()
        waitUntilSent()
        for _ in 0..<100 { Processor.pause() }
        for _ in 0..<Handled.count.value { early.add() }
        Processor.restoreInterrupts(interrupts)
      }
      #expect(early.value == 0, "it came although interrupts were off")
      #expect(taken == 1 && Handled.count.value == 1)
    }

    @Test func `a thread that ends takes what is pending, though interrupts are off`() {
      let taken = interrupt { isReady, waitUntilSent in
        _ = Processor.disableInterrupts()
        isReady()
        waitUntilSent()
      }
      #expect(taken == 0 && Handled.count.value == 1)
      asProcessor(0) { hw_interrupt_processors(2, 0) }
      #expect(Handled.count.value == 2, "from then on the sender runs the handler")
    }

    @Test func `for a thread that is blocked the sender runs the handler`() {
      let taken = interrupt(2) { isReady, _ in
        ProcessorThread.whileBlocked {
          isReady()
          while Handled.count.value < 2 { sched_yield() }
        }
      }
      #expect(taken == 0 && Handled.count.value == 2)
    }
  }
}

/// Instructions of the seam, at each of which an interrupt may come.
private enum Instruction {
  static let all: [@Sendable () -> Void] = [
    { _ = Processor.current }, { Processor.pause() }, { hw_restore_interrupts(true) },
    { hw_restore_interrupts(hw_disable_interrupts()) }, { hw_invalidate_page(0x5000) },
    { hw_write_cr3(hw_read_cr3()) }, { hw_write_cr4(hw_read_cr4()) },
    { hw_set_user_access(false) }, { hw_note_entry_write(0, 0, 0) }, { hw_note_frame_free(0, 0) },
    { Preemption.enable(Preemption.disable()) },
  ]
}

/// How often the handler ran as processor 1, with interrupts off.
private enum Handled { static let count = Counter() }
