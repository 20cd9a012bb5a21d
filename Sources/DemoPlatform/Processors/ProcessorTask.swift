internal import CBoot
internal import Synchronization
internal import TesseraHardware

/// Work that the first processor gives to others.
///
/// A task is a C function and a pointer to what it works on, because a closure that is stored would
/// have to be allocated. A processor without one halts with interrupts on, and so answers when
/// Tessera asks it to flush.
public enum ProcessorTask {
  /// How long a task may take, in seconds. QEMU runs all processors in turn, on a computer that has
  /// other work.
  public static var patience: UInt64 { 30 }

  public typealias Function = @convention(c) (UnsafeMutableRawPointer) -> Void

  /// One more than the number of the processor that does its part of a task for all; otherwise
  /// zero. Access: atomic.
  private static let busyCaller = Atomic<Int>(0)

  /// Calls `function` with `context` on `processor`, which runs and is not the calling one, and
  /// waits for it.
  ///
  /// If that takes more than `seconds`, ends the kernel with a report that names the processor. The
  /// caller promises that the function takes the pointer for one to a `Context`.
  @unsafe public static func run<Context: ~Copyable>(
    on processor: Int, _ context: inout Context, seconds: UInt64 = patience,
    _ function: Function
  ) {
    // SAFETY: the context lives until the wait has ended.
    unsafe withUnsafeMutablePointer(to: &context) {
      unsafe begin(on: processor, UnsafeMutableRawPointer($0), function)
      wait(for: processor, seconds: seconds)
    }
  }

  /// Calls `function` with `context` on all processors that run, the calling one among them, and
  /// waits for all. All do so at once, so that the parts of the context must be atomic. The others
  /// watch over the calling one as it watches over them.
  ///
  /// The caller promises what `run` requires.
  @unsafe public static func runOnAll<Context: ~Copyable>(
    _ context: inout Context, _ function: Function
  ) {
    // SAFETY: the context lives until the waits have ended.
    unsafe withUnsafeMutablePointer(to: &context) {
      let context = UnsafeMutableRawPointer($0)
      // Ordering: relaxed for both stores; the others only wait for the second.
      busyCaller.store(Processor.current + 1, ordering: .relaxed)
      forEachOther { unsafe begin(on: $0, context, function) }
      unsafe function(context)
      busyCaller.store(0, ordering: .relaxed)
      forEachOther { wait(for: $0, seconds: patience) }
    }
  }

  /// Whether `processor` does its part of a task that it has given to all.
  static func isCaller(_ processor: Int) -> Bool {
    // Ordering: relaxed; for a crash report.
    busyCaller.load(ordering: .relaxed) == processor + 1
  }

  /// Calls `body` with the number of each processor that runs but the calling one.
  public static func forEachOther(_ body: (Int) -> Void) {
    ProcessorRecord.forEachOther { body($0.number) }
  }
}

extension ProcessorTask {
  /// Calls `function` with `context` on `processor`, and returns at once. The processor runs, and
  /// is not the calling one.
  ///
  /// The caller keeps what is at `context` until `wait(for:)` has returned.
  @unsafe private static func begin(
    on processor: Int, _ context: UnsafeMutableRawPointer, _ function: Function
  ) {
    let record = ProcessorRecord(processor)
    require(
      record.state == .started && processor != Processor.current && record[.task] == 0,
      "gave a task to a processor that cannot take it")
    record[.context] = UInt64(UInt(bitPattern: context))
    record[.task] = unsafe unsafeBitCast(function, to: UInt64.self)
    LocalAPIC.send(
      .fixed(vector: InterruptVector.wake), to: UInt32(truncatingIfNeeded: record[.apicID]))
  }

  /// Waits until `processor` has done its task. If that takes more than `seconds`, ends the kernel
  /// with a report that names it.
  private static func wait(for processor: Int, seconds: UInt64) {
    let record = ProcessorRecord(processor)
    let deadline = Deadline(milliseconds: seconds * 1000)
    while record[.task] != 0 {
      if deadline.hasPassed { CrashReport.leave(waitingFor: processor, seconds: seconds) }
      Processor.pause()
    }
  }

  /// Calls the tasks that the processor of `record` is given, for ever.
  static func serve(_ record: ProcessorRecord) -> Never {
    while true {
      let task = record[.task]
      guard task != 0 else {
        // A task that comes now ends the halt: its interrupt is still to be delivered.
        boot_wait_for_interrupt()
        continue
      }
      boot_enable_interrupts()
      // SAFETY: `begin` has stored both words.
      unsafe call(task, record[.context])
      watchCaller()
      boot_disable_interrupts()
      record[.task] = 0
    }
  }

  /// Waits until the processor that gave a task to all has done its own part.
  private static func watchCaller() {
    let deadline = Deadline(milliseconds: patience * 1000)
    while true {
      // Ordering: relaxed; the number says all there is to know.
      let caller = busyCaller.load(ordering: .relaxed)
      guard caller != 0 else { return }
      if deadline.hasPassed { CrashReport.leave(waitingFor: caller - 1, seconds: patience) }
      Processor.pause()
    }
  }

  /// Calls the function at `task`. The caller promises that it is one, and that the context is its.
  @unsafe private static func call(_ task: UInt64, _ context: UInt64) {
    let function = unsafe unsafeBitCast(task, to: Function.self)
    // SAFETY: nobody passes null.
    unsafe function(UnsafeMutableRawPointer(bitPattern: UInt(context)).unsafelyUnwrapped)
  }
}
