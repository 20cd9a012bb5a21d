import SimulatedMachine
import Tessera
import TesseraFaults
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Faults of the kernel at the addresses of a program.
  @Suite("Demand paging, for the kernel") struct KernelFaultTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 4096)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    @Test func `what SMAP and SMEP forbid to the kernel is denied`() throws {
      let (present, user) = (PageFaultErrorCode.present, PageFaultErrorCode.user)
      let place: UInt64 = 1 << 30
      let allowed = TesseraFaults.PageFault.alignmentCheck
      try machine.inSpace { space in
        try space.withCursor(over: bytes(place, 4096)) { cursor throws(TesseraError) in
          try cursor.setDemandZero(4096, as: .userReadWrite)
        }
        _ = space.resolve(.write, at: VirtualAddress(place))
        let cases: [(code: UInt64, flags: UInt64, FaultResolution)] = [
          (present | PageFaultErrorCode.instructionFetch, allowed, .denied),
          (present, 0, .denied), (0, 0, .denied), (present, allowed, .resolved(.nothing)),
          (present | user, 0, .resolved(.nothing)),
          (PageFaultErrorCode.reservedBit | user, 0, .denied),
        ]
        for (code, flags, expected) in cases {
          let fault = TesseraFaults.PageFault(
            at: VirtualAddress(place), errorCode: code, flags: flags)
          let answer = space.resolve(fault)
          #expect(answer == expected, "code \(code), flags \(flags)")
        }
        let code = place + 2 * 4096
        try mapFrame(at: code, in: space, as: .userReadExecute)
        for (mode, expected) in [(0, .denied), (user, .resolved(.nothing))]
          as [(UInt64, FaultResolution)]
        {
          let fault = TesseraFaults.PageFault(
            at: VirtualAddress(code),
            errorCode: present | PageFaultErrorCode.instructionFetch | mode)
          let answer = space.resolve(fault)
          #expect(answer == expected, "execution in mode \(mode)")
        }
      }
    }
  }
}
