internal import CBoot
internal import TesseraHardware

/// The registers of a virtio device with one queue. Destroying them resets the device, which then
/// forgets its queue.
///
/// VIRTIO 1.2, "Common configuration structure layout" and "Device Initialization".
struct VirtioRegisters: ~Copyable {
  private let common: DeviceRegisters
  private let device: DeviceRegisters
  /// The register that notifies the device of its queue.
  private let notification: DeviceRegisters

  /// A common register, as an offset in bytes.
  private enum Register {
    static var deviceFeatureSelect: UInt64 { 0 }
    static var deviceFeature: UInt64 { 4 }
    static var driverFeatureSelect: UInt64 { 8 }
    static var driverFeature: UInt64 { 12 }
    static var queueCount: UInt64 { 18 }
    static var status: UInt64 { 20 }
    static var generation: UInt64 { 21 }
    static var queueSelect: UInt64 { 22 }
    static var queueSize: UInt64 { 24 }
    static var queueEnable: UInt64 { 28 }
    static var queueNotifyOffset: UInt64 { 30 }
    static var queueDescriptors: UInt64 { 32 }
    static var queueDriver: UInt64 { 40 }
    static var queueDevice: UInt64 { 48 }
  }

  /// The bits of the status: what the driver has done so far.
  private enum Status {
    static var acknowledged: UInt8 { 1 }
    static var hasDriver: UInt8 { 2 }
    static var isReady: UInt8 { 4 }
    static var hasFeatures: UInt8 { 8 }
  }

  /// The device keeps to VIRTIO 1.0 or later.
  private static var version1: UInt64 { 1 << 32 }

  /// Finds and maps the registers of the device of `function`, and resets it.
  init(_ function: PCIFunction) throws(DiskError) {
    let structures: VirtioStructures
    do throws(PCIError) {
      structures = try VirtioStructures(of: function)
    } catch { throw .damaged(error) }
    function.enable()
    let common = try DeviceRegisters(
      at: structures.common.address, byteCount: structures.common.byteCount)
    let device = try DeviceRegisters(
      at: structures.device.address, byteCount: structures.device.byteCount)
    guard Self.reset(common) else { throw .unresettable }
    common.setHalfWord(0, at: Register.queueSelect)
    let offset = common.halfWord(at: Register.queueNotifyOffset)
    guard let address = structures.notificationAddress(offset: offset) else {
      throw .damaged(.missing(.notification))
    }
    notification = try DeviceRegisters(at: address, byteCount: 2)
    self.common = common
    self.device = device
  }

  deinit { _ = Self.reset(common) }

  /// Resets the device. Returns whether it has answered within a second.
  private static func reset(_ common: borrowing DeviceRegisters) -> Bool {
    common.setByte(0, at: Register.status)
    let deadline = Deadline(milliseconds: 1000)
    while common.byte(at: Register.status) != 0 {
      if deadline.hasPassed { return false }
      Processor.pause()
    }
    return true
  }

  /// Agrees with the device on features: those of `wanted` that it has, and VIRTIO 1.0. Returns
  /// them.
  func begin(wanting wanted: UInt64) throws(DiskError) -> UInt64 {
    var status = Status.acknowledged | Status.hasDriver
    common.setByte(status, at: Register.status)
    let features = offeredFeatures & (wanted | Self.version1)
    guard features & Self.version1 != 0 else { throw .legacy }
    for half in 0..<2 as Range<UInt32> {
      common.setWord(half, at: Register.driverFeatureSelect)
      common.setWord(
        UInt32(truncatingIfNeeded: features >> UInt64(half * 32)), at: Register.driverFeature)
    }
    status |= Status.hasFeatures
    common.setByte(status, at: Register.status)
    guard common.byte(at: Register.status) & Status.hasFeatures != 0 else { throw .needsFeatures }
    return features
  }

  private var offeredFeatures: UInt64 {
    common.setWord(0, at: Register.deviceFeatureSelect)
    let low = common.word(at: Register.deviceFeature)
    common.setWord(1, at: Register.deviceFeatureSelect)
    return UInt64(common.word(at: Register.deviceFeature)) << 32 | UInt64(low)
  }

  /// The capacity of a disk, whose two halves are of the same generation.
  var sectorCount: UInt64 {
    var generation = common.byte(at: Register.generation)
    while true {
      let count = device.doubleWord(at: 0)
      let now = common.byte(at: Register.generation)
      if now == generation { return count }
      generation = now
    }
  }

  /// The number of descriptors of its queue: a power of two, and `limit` at most; 0 without a
  /// queue.
  func queueSize(atMost limit: UInt16) -> UInt16 {
    guard common.halfWord(at: Register.queueCount) > 0 else { return 0 }
    common.setHalfWord(0, at: Register.queueSelect)
    let size = min(common.halfWord(at: Register.queueSize), limit)
    return size == 0 ? 0 : 1 << UInt16(15 - size.leadingZeroBitCount)
  }

  /// Has the device use `queue`, and begin. Its memory is the device's until a reset.
  func useQueue(_ queue: borrowing Virtqueue) {
    common.setHalfWord(0, at: Register.queueSelect)
    common.setHalfWord(queue.size, at: Register.queueSize)
    common.setDoubleWord(queue.descriptors.rawValue, at: Register.queueDescriptors)
    common.setDoubleWord(queue.availableRing.rawValue, at: Register.queueDriver)
    common.setDoubleWord(queue.usedRing.rawValue, at: Register.queueDevice)
    common.setHalfWord(1, at: Register.queueEnable)
    let status = common.byte(at: Register.status)
    common.setByte(status | Status.isReady, at: Register.status)
  }

  /// Tells the device that there is something in its queue.
  var notice: QueueNotice { QueueNotice(address: notification.place(of: 0)) }
}

/// Tells a device that there is something in its first queue. On any processor, by several at once.
struct QueueNotice {
  /// The virtual address of the register.
  var address: UInt64 = 0

  func send() { boot_write_device16(address, 0) }
}
