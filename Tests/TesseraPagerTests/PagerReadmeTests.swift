import Foundation
import SimulatedMachine
import Tessera
import TestSupport
import Testing

@testable import TesseraPageTables

extension OnSimulatedMachine {
  @Suite("README of the pager") struct PagerReadmeTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 1024)
      try machine.startKernelSpace()
    }

    // The program in README: the last test compares them.
    // begin
    func mapFile(_ file: PageStore, swap: PageStore) throws(TesseraError) {
      try Pager.start()
      try Pager.startSwap(swap, pageCount: 65_536)
      let space = try VmSpace()
      try space.startPaging()
      let object = try MemoryObject(byteCount: 1 << 20, store: file)
      let place = VirtualAddress(0x1000_0000)..<VirtualAddress(0x1010_0000)
      try space.map(object, at: place, as: .userReadWrite.with(isShared: true))
      _ = space.store(42 as UInt64, at: place.lowerBound)  // reads the page; a program may as well
      Pager.reclaim(8)  // takes away what was not used for long; a fault without a free frame does
      object.synchronize()  // writes what is dirty
    }
    // end

    @Test func `the program writes a page of a file`() throws {
      let (file, swap) = (TestStore(), TestStore())
      file.setPage(0, to: 7)
      try mapFile(file.pageStore, swap: swap.pageStore)
      #expect(file.word(0) == 42 && file.pages[0]?[1] == 7)
      #expect(file.readCount == 1)
      Pager.stop()
      #expect(machine.violations == [])
    }

    @Test func `README contains the program`() throws {
      let here = URL(filePath: #filePath)
      let source = try String(contentsOf: here, encoding: .utf8)
      let start = try #require(source.range(of: "    // begin\n")?.upperBound)
      let end = try #require(source.range(of: "    // end\n")?.lowerBound)
      let readme = here.deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "README.md")
      #expect(source[start..<end].contains("mapFile"))
      #expect(try String(contentsOf: readme, encoding: .utf8).contains(source[start..<end]))
    }
  }
}
