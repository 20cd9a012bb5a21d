import CTessera
import Foundation

/// A thread that runs a processor, and takes its interrupts: at nearly any instruction of the seam
/// at which they are on. Until then who waits for its answer waits, so a thread that waits for
/// another one calls `Processor.pause`, or blocks in `whileBlocked`. When it has ended, the others
/// take its interrupts.
///
/// It is always joined, so that its captures do not outlive the machine. An address space that a
/// thread released too late would be destroyed on the next machine.
package struct ProcessorThread {
  private final class Work {
    let number: Int
    let body: @Sendable (_ processor: Int) -> Void

    init(_ number: Int, _ body: @escaping @Sendable (_ processor: Int) -> Void) {
      self.number = number
      self.body = body
    }

    func run() {
      simulated_begin_thread(UInt32(number))
      body(number)
      simulated_end_thread()
    }
  }

  private let thread: pthread_t

  /// Starts `body` as processor `number`.
  init(_ number: Int, _ body: @escaping @Sendable (_ processor: Int) -> Void) {
    var thread = pthread_t()
    let work = Unmanaged.passRetained(Work(number, body))
    let status = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, work.toOpaque())
    guard status == 0 else { fatalError("cannot create the thread of processor \(number)") }
    self.thread = thread
  }

  /// Waits until the thread has ended and has released its captures.
  func join() {
    guard pthread_join(thread, nil) == 0 else { fatalError("cannot join a processor's thread") }
  }

  /// Runs `body`, which may block and calls nothing of Tessera, on the thread of a processor. The
  /// others take its interrupts meanwhile.
  package static func whileBlocked<Result>(_ body: () throws -> Result) rethrows -> Result {
    let number = simulated_current_processor().pointee.number
    simulated_end_thread()
    defer { simulated_begin_thread(number) }
    return try body()
  }
}
