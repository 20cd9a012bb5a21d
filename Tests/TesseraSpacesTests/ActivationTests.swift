import CTessera
import SimulatedMachine
import Tessera
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// The record of the processors that a space is active on, which decides who flushes.
  @Suite("Activation") struct ActivationTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 512, reserved: 1)
      try machine.startKernelSpace()
      try machine.startProcessors()
    }

    @Test func `a space counts as active whenever CR3 holds its root`() throws {
      let first = try VmSpace()
      let second = try VmSpace()
      let record = LoadRecord([first.rootNode, second.rootNode])
      first.activate()
      #expect(first.activeProcessorCount == 1 && second.activeProcessorCount == 0)
      second.activate()
      #expect(first.activeProcessorCount == 0 && second.activeProcessorCount == 1)
      VmSpace.deactivate()
      record.stop()
      // When CR3 is loaded, the new root counts already, and the old one still does.
      #expect(LoadRecord.active == [[true, false], [true, true], [false, true]])
      #expect(first.activeProcessorCount == 0 && second.activeProcessorCount == 0)
    }

    @Test func `a space counts as active on processor 64 whenever its CR3 holds the root`() throws {
      let machine = SimulatedMachine(frameCount: 512, reserved: 1, processorCount: 65)
      try machine.startKernelSpace()
      try machine.startProcessors()
      do {
        let first = try VmSpace()
        let second = try VmSpace()
        let record = LoadRecord([first.rootNode, second.rootNode])
        asProcessor(64) {
          first.activate()
          second.activate()
          VmSpace.deactivate()
        }
        record.stop()
        // While it switches, it counts as one of all.
        #expect(LoadRecord.active == [[true, true], [true, true], [true, true]])
        #expect(first.activeProcessorCount == 0 && second.activeProcessorCount == 0)
      }
      #expect(machine.violations == [])
    }

    @Test(arguments: [64, 65, 512])
    func `a space knows each of many processors`(count: Int) throws {
      let machine = SimulatedMachine(frameCount: 512, reserved: 1, processorCount: count)
      try machine.startKernelSpace()
      try machine.startProcessors()
      do {
        let space = try VmSpace()
        for processor in 0..<count {
          asProcessor(processor) {
            #expect(!space.rootNode.isActiveHere)
            space.activate()
            #expect(space.rootNode.isActiveHere)
          }
          #expect(space.activeProcessorCount == processor + 1)
        }
        for processor in 0..<count {
          asProcessor(processor) {
            VmSpace.deactivate()
            #expect(!space.rootNode.isActiveHere)
          }
          #expect(space.activeProcessorCount == count - 1 - processor)
        }
      }
      #expect(machine.violations == [])
    }
  }
}

/// Observes which roots count as active on this processor at each load of CR3.
private final class LoadRecord {
  /// Access: single-threaded, by the test only.
  nonisolated(unsafe) private static var roots: [PageTableNode] = []
  nonisolated(unsafe) private(set) static var active: [[Bool]] = []

  init(_ roots: [PageTableNode]) {
    Self.roots = roots
    Self.active = []
    var observer = simulated_observer(
      context: nil,
      entry_write: { _, _, _, _, _ in },
      frame_free: { _, _, _, _ in },
      control: { _, _, kind, _, _ in
        guard kind == simulated_cr3_write else { return }
        LoadRecord.active.append(LoadRecord.roots.map(\.isActiveHere))
      },
      user_copy: { _, _, _, _, _, _ in 0 })
    simulated_install_observer(&observer)
  }

  func stop() { simulated_install_observer(nil) }
}
