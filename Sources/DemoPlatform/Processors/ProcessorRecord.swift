internal import CBoot
internal import Synchronization
internal import TesseraHardware
internal import TesseraSpaces

/// What the kernel keeps of one processor, at which the processor's GS begins: its number, what it
/// is to do, its GDT and its TSS.
///
/// The records are in the kernel's .bss. Each word is written by one processor at a time and may be
/// read by all.
struct ProcessorRecord {
  let number: Int

  /// The words of a record, from its start.
  enum Field: UInt64 {
    /// First, for `boot_processor_number`.
    case number
    /// Second, for `boot_count_preemption_off`: how often Tessera has turned preemption off and not
    /// on again.
    case preemptionDepth
    case apicID
    /// A `State`.
    case state
    /// The address of the function that the processor is to call, or 0: it has none to call.
    case task
    /// What is passed to that function.
    case context
    /// The fault of the last probe that failed; see `MemoryProbe.Fault`.
    case faultVector, faultErrorCode, faultAddress
    /// What the processor was doing when a crash stopped it; see `StoppedProcessor`.
    case isStopped, stoppedInstruction, stoppedFramePointer, stoppedFlags, stoppedRoot
    /// The address of the registers of the program that runs on the processor, or 0, and the
    /// address of its last page fault; see `UserMode`.
    case programRegisters, programFaultAddress
  }

  enum State: UInt64 {
    /// There is no such processor.
    case absent
    /// It has been told to start.
    case starting
    case started
    /// Tessera has refused it.
    case refused
  }

  private static let segmentOffset: UInt64 = 256
  private static let taskStateOffset = UInt64(PROCESSOR_TASK_STATE)
  private static let stackOffset: UInt64 = 432

  /// The number of records.
  static var count: Int { Int(PROCESSOR_COUNT) }

  /// The record of processor `number`, which is below `count`.
  init(_ number: Int) {
    require(number >= 0 && number < Self.count, "a processor has no record")
    self.number = number
  }

  /// The record of the calling processor.
  static var current: ProcessorRecord { ProcessorRecord(Int(boot_processor_number())) }

  /// Calls `body` with the record of each processor that runs but the calling one.
  static func forEachOther(_ body: (ProcessorRecord) -> Void) {
    for number in 0..<count where number != Processor.current {
      let record = ProcessorRecord(number)
      if record.state == .started { body(record) }
    }
  }

  /// The address of the record.
  var address: UInt64 {
    boot_processor_records_address() + UInt64(number) * UInt64(PROCESSOR_RECORD_SIZE)
  }

  /// The addresses of the GDT and of the TSS.
  var segmentTable: UInt64 { address + Self.segmentOffset }
  var taskState: UInt64 { address + Self.taskStateOffset }

  /// A word of the record.
  subscript(field: Field) -> UInt64 {
    get {
      // SAFETY: an aligned word of the record, which is permanent.
      // Ordering: acquiring, pairs with the store below, so that who sees a word of another
      // processor sees what it wrote before.
      unsafe word(field).pointee.load(ordering: .acquiring)
    }
    nonmutating set {
      // SAFETY: as above. Ordering: releasing, pairs with the load above.
      unsafe word(field).pointee.store(newValue, ordering: .releasing)
    }
  }

  private func word(_ field: Field) -> UnsafeMutablePointer<Atomic<UInt64>> {
    // SAFETY: the records are never at zero.
    unsafe UnsafeMutablePointer(bitPattern: UInt(address + field.rawValue * 8)).unsafelyUnwrapped
  }

  var state: State {
    get { State(rawValue: self[.state]) ?? .absent }
    nonmutating set { self[.state] = newValue.rawValue }
  }
}

/// The stacks of a further processor.
struct ProcessorStacks: ~Copyable {
  let main: KernelStack
  let doubleFault: KernelStack
  let nonMaskableInterrupt: KernelStack
  let machineCheck: KernelStack

  init() throws(TesseraError) {
    let byteCount = KernelImage.stack.upperBound - KernelImage.stack.lowerBound
    let main = try KernelStack(byteCount: byteCount)
    let doubleFault = try KernelStack(byteCount: 16384)
    let nonMaskableInterrupt = try KernelStack(byteCount: 16384)
    let machineCheck = try KernelStack(byteCount: 16384)
    self.main = main
    self.doubleFault = doubleFault
    self.nonMaskableInterrupt = nonMaskableInterrupt
    self.machineCheck = machineCheck
  }

  /// The name of the stack whose guard page holds `address`, if there is one.
  func overflowed(at address: VirtualAddress) -> StaticString? {
    if main.isOverflow(address) { return "the processor's stack" }
    if doubleFault.isOverflow(address) { return "the processor's double-fault stack" }
    if nonMaskableInterrupt.isOverflow(address) { return "the processor's NMI stack" }
    if machineCheck.isOverflow(address) { return "the processor's machine-check stack" }
    return nil
  }
}

extension ProcessorRecord {
  /// Keeps `stacks` for ever, as a further processor needs them.
  func keep(_ stacks: consuming ProcessorStacks) {
    // SAFETY: the record has room for them, and holds none yet.
    unsafe stackPlace.initialize(to: stacks)
  }

  /// The stacks for the exceptions of a further processor.
  var exceptionStacks: DescriptorTables.ExceptionStacks {
    // SAFETY: the stacks are kept before the processor is told to start.
    let stacks = unsafe stackPlace
    return unsafe DescriptorTables.ExceptionStacks(
      doubleFault: stacks.pointee.doubleFault.top.rawValue,
      nonMaskableInterrupt: stacks.pointee.nonMaskableInterrupt.top.rawValue,
      machineCheck: stacks.pointee.machineCheck.top.rawValue)
  }

  /// The name of the stack whose guard page holds `address`. The first processor's are the image's.
  func stackOverflowed(at address: UInt64) -> StaticString? {
    guard number > 0, state != .absent else { return nil }
    // SAFETY: the stacks are kept before the processor is told to start.
    return unsafe stackPlace.pointee.overflowed(at: VirtualAddress(address))
  }

  private var stackPlace: UnsafeMutablePointer<ProcessorStacks> {
    // SAFETY: the records are never at zero.
    unsafe UnsafeMutablePointer(bitPattern: UInt(address + Self.stackOffset)).unsafelyUnwrapped
  }
}
