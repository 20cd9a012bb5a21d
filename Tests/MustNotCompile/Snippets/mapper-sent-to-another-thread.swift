// error: conformance of 'PageMapper' to 'Sendable' is unavailable
import Tessera

func send(_ value: borrowing some Sendable & ~Copyable & ~Escapable) {}

func use(_ mapper: borrowing PageMapper) {
  send(mapper)  // wrong
}
