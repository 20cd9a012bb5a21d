// error: 'reader' is borrowed and cannot be consumed
import Tessera

func finish(_ reader: consuming UserMemoryReader) {}

func duplicate(_ reader: borrowing UserMemoryReader) -> UInt8? {
  finish(reader)  // wrong
  return reader.load(UInt8.self)
}
