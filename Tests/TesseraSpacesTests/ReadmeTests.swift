import Foundation
import SimulatedMachine
import Tessera
import Testing

extension OnSimulatedMachine {
  @Suite("README") struct ReadmeTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 256)
      try machine.startKernelSpace()
    }

    // The program in README, verbatim: the last test compares them.
    // begin
    func mapOnePage() throws {
      var space = try VmSpace()
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      let page = VirtualAddress(0x40_0000)..<VirtualAddress(0x40_1000)
      do {
        var cursor = try space.cursor(over: page)
        try cursor.map(&frame, as: .userReadWrite)
      }
      space.activate()
      if let found = space.translate(VirtualAddress(0x40_0123)) {
        check(found.address.rawValue % 4096 == 0x123 && found.property.access == .readWrite)
      }
      VmSpace.deactivate()
      space.handleFaults(with: { address, errorCode, context in false })
    }
    // end

    private func check(_ holds: Bool) { #expect(holds) }

    @Test func `the program maps a page and frees everything`() throws {
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      try mapOnePage()
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    @Test func `README contains the program as it is compiled here`() throws {
      let here = URL(filePath: #filePath)
      let root = here.deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
      let source = try String(contentsOf: here, encoding: .utf8).components(separatedBy: "\n")
      let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
      let start = try #require(source.firstIndex(of: "    // begin"))
      let end = try #require(source.firstIndex(of: "    // end"))
      let lines = readme.components(separatedBy: "\n")
      for line in source[(start + 1)..<end] {
        #expect(lines.contains(line), "README lacks: \(line)")
      }
    }
  }
}
