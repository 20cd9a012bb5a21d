internal import DemoPlatform
internal import Tessera
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// What another processor is told to run on.
struct SpaceActivation {
  /// The root to run on; nil for the kernel's.
  private let root: PageTableNode?

  /// Makes `count` other processors run on `space`, or all if there are fewer, and the rest not.
  static func set(_ space: borrowing VmSpace, onOthers count: Int) {
    var left = count
    let root = space.root
    ProcessorTask.forEachOther { processor in
      var activation = SpaceActivation(root: left > 0 ? root : nil)
      left -= 1
      // SAFETY: the function is that of an activation.
      unsafe ProcessorTask.run(on: processor, &activation) {
        unsafe $0.assumingMemoryBound(to: SpaceActivation.self).pointee.perform()
      }
    }
  }

  private func perform() {
    guard let root else { return VmSpace.deactivate() }
    ActiveSpace.activate(root)
  }
}
