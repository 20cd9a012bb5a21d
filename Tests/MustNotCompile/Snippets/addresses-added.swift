// error: cannot convert value of type 'PhysicalAddress' to expected argument type 'UInt64'
import TesseraHardware

func confuse(_ address: PhysicalAddress) -> PhysicalAddress {
  _ = address + address  // wrong
  return address + 8
}
