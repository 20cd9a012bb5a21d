import SimulatedMachine
import TesseraHardware
import Testing

extension OnSimulatedMachine {
  @Suite("Loading the page attribute table") struct CachePolicyInstallingTests {
    let machine = SimulatedMachine(frameCount: 4)

    @Test func `the register holds the table, and everything else is unchanged`() {
      let before = (
        Processor.controlRegister0, Processor.rootRegister, Processor.controlRegister4
      )
      let register = CachePolicy.attributeTableRegister
      #expect(Processor.modelSpecificRegister(register) != CachePolicy.attributeTable)
      unsafe CachePolicy.installAttributeTable()
      #expect(Processor.modelSpecificRegister(register) == CachePolicy.attributeTable)
      #expect(Processor.controlRegister0 == before.0)
      #expect(Processor.rootRegister == before.1)
      #expect(Processor.controlRegister4 == before.2)
      #expect(machine.violations == [])
    }
  }
}
