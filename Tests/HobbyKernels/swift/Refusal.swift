import Tessera
import TesseraBoot

/// What Tessera can refuse. One type, because Embedded Swift throws errors of known types only.
enum Refusal: Error {
  case loader(MultibootError)
  case memory(FrameError)
  case range(RangeError)
  case mapping(MapError)

  func write(to machine: inout Machine) {
    switch self {
    case .loader(let error): error.write(to: &machine)
    case .memory: machine.write("there is too little memory")
    case .range: machine.write("an address is none of a program's")
    case .mapping: machine.write("a page is mapped already, or there is too little memory")
    }
  }
}
