import Foundation
import SimulatedMachine
import Tessera
import TesseraFaults
import TesseraHardware
import TesseraPageTables
import TesseraSpaces
import TestSupport
import Testing

extension OnSimulatedMachine {
  @Suite("README") struct ReadmeTests {
    let machine: SimulatedMachine
    /// Not that of the simulated machine.
    typealias PageFault = TesseraFaults.PageFault

    init() throws {
      machine = SimulatedMachine(frameCount: 256)
      try machine.startKernelSpace()
    }

    // The program in README and on the page for Swift kernels: the last test compares them.
    // begin
    func mapOnePage(_ console: inout some TextSink) throws(TesseraError) {
      let space = try VmSpace()
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      let page = VirtualAddress(0x40_0000)..<VirtualAddress(0x40_1000)
      try space.withCursor(over: page) { cursor throws(TesseraError) in
        try cursor.map(&frame, as: .userReadWrite)
      }
      space.activate()
      try space.withWriter(of: page) { writer in _ = writer.store(42 as UInt64) }
      space.writeWalk(of: page.lowerBound, to: &console)
      VmSpace.deactivate()
      try space.withCursor(over: page) { cursor throws(TesseraError) in
        try cursor.unmap(4096)
      }
      space.writeWalk(of: page.lowerBound, to: &console)
    }
    // end

    // The handler in README.
    // begin handler
    func handle(
      _ fault: PageFault, at instruction: inout UInt64, in space: borrowing VmSpace
    ) -> Bool {
      if let next = fault.recovery(at: instruction) {
        instruction = next  // a copy of user memory goes on, or ends before the page
        return true
      }
      switch space.resolve(fault) {
      case .resolved: return true  // a page has appeared, or was copied: the access is repeated
      case .needs(let number): return load(number, at: fault.address)  // a file, a swap slot
      case .busy: return true  // the pager's store has not finished: try again
      case .denied, .outOfFrames, .failed: return false  // in error, or no memory
      }
    }
    // end handler

    /// Maps the page of `address`, whose number is 7, and no other.
    private func load(_ number: UInt32, at address: VirtualAddress) -> Bool { number == 7 }

    @Test func `the handler resolves faults, and lets the kernel supply pages`() throws {
      let space = try VmSpace()
      try space.withCursor(over: bytes(0x40_0000, 3 * 4096)) { cursor throws(TesseraError) in
        try cursor.setDemandZero(4096, as: .userReadWrite)
        try cursor.setPending(4096, 7, as: .userRead)
        try cursor.setPending(4096, 8, as: .userRead)
      }
      var instruction: UInt64 = 0x1234
      let goesOn = [true, true, false, false]
      for page in 0..<4 {
        let fault = PageFault(
          at: VirtualAddress(0x40_0000 + UInt64(page) * 4096), errorCode: PageFaultErrorCode.user)
        let isHandled = handle(fault, at: &instruction, in: space)
        #expect(isHandled == goesOn[page], "page \(page)")
      }
      #expect(instruction == 0x1234)
    }

    @Test func `the program maps a page and frees everything`() throws {
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      _ = machine.mmu
      var console = TextBuffer()
      try mapOnePage(&console)
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
      let walks = console.text.components(separatedBy: "walk ").dropFirst()
      #expect(walks.count == 2)
      #expect(walks.first?.contains("rw- u") == true && walks.last?.contains("absent") == true)
    }

    /// The hobby kernel `swift-newcomer` compiles and boots what is on the page.
    @Test func `README and the page for Swift kernels contain the program`() throws {
      let here = URL(filePath: #filePath)
      let root = here.deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
      func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
      }
      let source = try String(contentsOf: here, encoding: .utf8)
      let start = try #require(source.range(of: "    // begin\n")?.upperBound)
      let end = try #require(source.range(of: "    // end\n")?.lowerBound)
      let program = String(source[start..<end])
      #expect(program.contains("withCursor"))
      #expect(try text("README.md").contains(program))
      let handlerStart = try #require(source.range(of: "    // begin handler\n")?.upperBound)
      let handlerEnd = try #require(source.range(of: "    // end handler\n")?.lowerBound)
      #expect(try text("README.md").contains(source[handlerStart..<handlerEnd]))
      let indentation = "\n    "
      let unindented = ("\n" + program).replacingOccurrences(of: indentation, with: "\n")
      let page = "Sources/Tessera/Tessera.docc/TesseraInYourSwiftKernel.md"
      #expect(try text(page).contains(unindented))
    }
  }
}
