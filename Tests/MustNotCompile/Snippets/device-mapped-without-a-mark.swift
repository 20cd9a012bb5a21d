// error: expression uses unsafe constructs but is not marked with 'unsafe'
import Tessera

func mapPage(_ device: PhysicalAddress, in cursor: inout Cursor) throws(TesseraError) {
  try cursor.mapDevice(device, byteCount: 4096, as: .device)  // wrong
  try cursor.unmap(4096)
}
