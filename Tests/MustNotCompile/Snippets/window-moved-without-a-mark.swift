// error: expression uses unsafe constructs but is not marked with 'unsafe'
import TesseraHardware

func read(_ address: PhysicalAddress) {
  unsafe PhysicalMemory.setDirectMap(at: 0)
  PhysicalMemory.setDirectMap(at: 0)  // wrong
}
