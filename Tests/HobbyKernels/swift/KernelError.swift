import Tessera
import TesseraBoot

/// Any error of Tessera's. One type, because Embedded Swift throws errors of known types only.
enum KernelError: Error {
  case loader(MultibootError)
  case boot(BootError)
  case memory(FrameError)
  case range(RangeError)
  case mapping(MapError)

  func write(to machine: inout Machine) {
    switch self {
    case .loader(let error): error.write(to: &machine)
    case .boot(let error): error.write(to: &machine)
    case .memory: machine.write("there is too little memory")
    case .range: machine.write("an address is outside the user half")
    case .mapping: machine.write("a page is already mapped, or there is too little memory")
    }
  }
}
