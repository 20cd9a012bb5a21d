/// The number of cached translations that refer to each frame, over all processors.
struct FrameMentions {
  /// By frame number, for pages of 4 KiB.
  private var small: [UInt32]
  /// By address divided by the page's size, for pages of 2 MiB and 1 GiB.
  private var large: [UInt32]
  private var huge: [UInt32]

  init(frameCount: Int) {
    small = Array(repeating: 0, count: frameCount)
    large = Array(repeating: 0, count: frameCount / 512 + 1)
    huge = Array(repeating: 0, count: frameCount / (512 * 512) + 1)
  }

  mutating func add(_ translation: SimulatedTranslation) { change(translation, by: 1) }

  mutating func remove(_ translation: SimulatedTranslation) {
    change(translation, by: UInt32(bitPattern: -1))
  }

  func contains(_ frame: Int) -> Bool {
    small[frame] != 0 || large[frame >> 9] != 0 || huge[frame >> 18] != 0
  }

  private mutating func change(_ translation: SimulatedTranslation, by difference: UInt32) {
    let frame = Int(translation.physicalAddress >> 12)
    // Addresses beyond the end of memory, such as those of devices, are never freed.
    guard frame < small.count else { return }
    switch translation.level {
    case 1: small[frame] &+= difference
    case 2: large[frame >> 9] &+= difference
    default: huge[frame >> 18] &+= difference
    }
  }
}
