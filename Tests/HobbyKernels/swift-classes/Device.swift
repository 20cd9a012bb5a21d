/// A class of devices. Each kind overrides what it does otherwise.
class Device {
  /// How many objects of this class and those below it there are.
  ///
  /// Access: one processor runs, without threads.
  nonisolated(unsafe) static var count = 0

  let name: String

  init(name: String) {
    self.name = name
    // SAFETY: one processor.
    unsafe Device.count += 1
  }

  deinit {
    // SAFETY: one processor.
    unsafe Device.count -= 1
  }

  /// The byte at `offset`.
  func read(at offset: Int) -> UInt8 { 0 }

  final func sum(of length: Int) -> Int {
    var sum = 0
    for offset in 0..<length { sum += Int(read(at: offset)) }
    return sum
  }
}

/// Memory that was written before.
class Disk: Device {
  private var bytes: [UInt8] = []

  func append(_ byte: UInt8) { bytes.append(byte) }

  override func read(at offset: Int) -> UInt8 {
    offset < bytes.count ? bytes[offset] : super.read(at: offset)
  }
}

/// A part of another device, which lives as long as this one needs it.
final class Partition: Disk {
  private let whole: Disk
  private let start: Int
  /// Another device of the same bus, if there is one.
  var next: Partition?

  init(of whole: Disk, from start: Int) {
    self.whole = whole
    self.start = start
    super.init(name: whole.name + "p\(start)")
  }

  override func read(at offset: Int) -> UInt8 { whole.read(at: start + offset) }
}
