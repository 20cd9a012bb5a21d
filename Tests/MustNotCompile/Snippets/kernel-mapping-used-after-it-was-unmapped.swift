// error: 'mapping' used after consume
import Tessera

func mapPage(_ segment: inout Segment<PlainMemory>?) throws(TesseraError) -> VirtualAddress {
  let mapping = try KernelMapping(&segment)
  let address = mapping.address
  _ = consume mapping
  _ = mapping.range  // wrong
  return address
}
