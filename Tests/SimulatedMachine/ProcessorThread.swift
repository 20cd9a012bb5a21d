import CTessera
import Foundation

/// A thread that runs a processor.
///
/// It is always joined, so that its captures do not outlive the machine. An address space that a
/// thread released too late would be destroyed on the next machine.
struct ProcessorThread {
  private final class Work {
    let number: Int
    let body: @Sendable (_ processor: Int) -> Void

    init(_ number: Int, _ body: @escaping @Sendable (_ processor: Int) -> Void) {
      self.number = number
      self.body = body
    }

    func run() {
      simulated_current_processor().pointee.number = UInt32(number)
      simulated_set_thread(UInt32(number), true)
      body(number)
      simulated_set_thread(UInt32(number), false)
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
}
