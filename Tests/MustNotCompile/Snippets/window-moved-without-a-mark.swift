// error: expression uses unsafe constructs but is not marked with 'unsafe'
import TesseraHardware

func read(_ address: PhysicalAddress) {
  unsafe PhysicalMemory.setWindow(at: 0)
  PhysicalMemory.setWindow(at: 0)  // wrong
}
