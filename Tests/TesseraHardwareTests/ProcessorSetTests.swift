import SimulatedMachine
import TesseraHardware
import Testing

@Suite("Processor set") struct ProcessorSetTests {
  @Test func `a set holds the processors that were inserted and not removed`() {
    var set = ProcessorSet()
    #expect(set.isEmpty && set.count == 0)
    for processor in 0..<ProcessorSet.capacity {
      #expect(!set.contains(processor))
      set.insert(processor)
      #expect(set.contains(processor) && set.count == processor + 1)
    }
    for processor in stride(from: 0, to: ProcessorSet.capacity, by: 2) { set.remove(processor) }
    #expect(set.rawValue == 0xaaaa_aaaa_aaaa_aaaa)
    #expect(ProcessorSet(5).rawValue == 1 << 5)
  }

  @Test func `no processor above 63 is a member`() {
    #expect(!ProcessorSet(rawValue: .max).contains(64))
  }

  @Test func `inserting processor 64 panics`() async throws {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      var set = ProcessorSet()
      set.insert(64)
    }
    try expectPanic(in: result, "processor number is above 63")
  }
}
