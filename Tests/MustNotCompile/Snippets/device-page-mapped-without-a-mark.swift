// error: expression uses unsafe constructs but is not marked with 'unsafe'
import Tessera

func mapPage(_ device: PhysicalAddress, _ mapper: borrowing PageMapper) throws(TesseraError) {
  let page = VirtualAddress(0x5000)
  try mapper.mapDevice(device, at: page, as: .device).flush()  // wrong
  try mapper.unmap(page).flush()
}
