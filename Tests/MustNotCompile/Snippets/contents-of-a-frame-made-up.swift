// error: initializer is inaccessible due to 'package' protection level
import TesseraFrames
import TesseraHardware

func spy(_ address: PhysicalAddress) -> UInt64 {
  _ = FrameContents(of: address, size: .fourKiB).word(at: 0)  // wrong
  return address.rawValue
}
