// error: conformance of 'UserMemoryReader' to 'Sendable' is unavailable
import Tessera

func send(_ value: borrowing some Sendable & ~Copyable & ~Escapable) {}

func share(_ reader: borrowing UserMemoryReader) -> UInt64 {
  send(reader)  // wrong
  return reader.byteCount
}
