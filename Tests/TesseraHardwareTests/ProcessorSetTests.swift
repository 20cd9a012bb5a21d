import TesseraHardware
import Testing

@Suite("Processor set") struct ProcessorSetTests {
  @Test(arguments: [0, 1, 7])
  func `a set holds the processors of its group that were inserted and not removed`(group: Int) {
    var set = ProcessorSet()
    #expect(set.isEmpty && set.count == 0)
    let processors = group * 64..<group * 64 + 64
    for (index, processor) in processors.enumerated() {
      #expect(!set.contains(processor))
      set.insert(processor)
      #expect(set.contains(processor) && set.count == index + 1)
    }
    for processor in stride(from: group * 64, to: group * 64 + 64, by: 2) { set.remove(processor) }
    #expect(set.rawValue == 0xaaaa_aaaa_aaaa_aaaa)
    var visited: [Int] = []
    set.visit(group: group) { visited.append($0) }
    #expect(visited == processors.filter { $0 % 2 == 1 })
    #expect(ProcessorSet(group * 64 + 5).rawValue == 1 << 5)
  }

  @Test func `groups are 64 consecutive processors`() {
    #expect(ProcessorSet.groupSize == 64)
    #expect((0..<512).allSatisfy { ProcessorSet.group(of: $0) == $0 / 64 })
    for (count, groups) in [(1, 1), (64, 1), (65, 2), (128, 2), (129, 3), (512, 8)] {
      #expect(ProcessorSet.groupCount(of: count) == groups)
    }
  }
}
