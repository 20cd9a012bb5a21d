import Foundation
import SimulatedMachine
import Tessera
import TestSupport
import Testing

extension OnSimulatedMachine {
  @Suite("README") struct ReadmeTests {
    let machine: SimulatedMachine

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
      let indentation = "\n    "
      let unindented = ("\n" + program).replacingOccurrences(of: indentation, with: "\n")
      let page = "Sources/Tessera/Tessera.docc/TesseraInYourSwiftKernel.md"
      #expect(try text(page).contains(unindented))
    }
  }
}
