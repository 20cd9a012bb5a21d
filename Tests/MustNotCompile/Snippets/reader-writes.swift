// error: value of type 'UserMemoryReader' has no member 'store'
import Tessera

func overwrite(_ reader: borrowing UserMemoryReader) -> UInt8? {
  _ = reader.store(0 as UInt8)  // wrong
  return reader.load(UInt8.self)
}
