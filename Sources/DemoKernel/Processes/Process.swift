internal import CBoot
internal import DemoPlatform
internal import TesseraHardware

/// What the kernel keeps of a process, or of a further thread of one, while it is not in ring 3.
///
/// Access: by the processor that runs it, and by none but under the lock of the table otherwise.
struct Process {
  enum State {
    /// There is no such process, though its space may still be used by a thread.
    case absent
    /// It waits for a processor.
    case ready
    /// A processor runs it.
    case running
    /// It waits until its child with that number has ended.
    case waiting(child: Int)
    /// It has ended; its parent has not asked for this result yet.
    case ended(result: UInt64)
  }

  var state = State.absent
  var registers = UserRegisters(instructionPointer: 0, stackPointer: 0)
  /// The process that waits for this one in the end; nil for one that the kernel has started, or
  /// whose parent has ended.
  var parent: Int?
  /// The process that the space belongs to: this one, unless it is a further thread.
  var owner = 0
  /// For a process, the number of its threads that have not ended, with its first.
  var threadCount = 0
  /// The next one that waits for a processor, if this one does and is not the last.
  var next: Int?

  /// The result of one that the exception with `vector` has ended.
  static func result(endedBy vector: UInt64) -> UInt64 { UInt64(PROGRAM_ENDED_BY) + vector }
}
