import CTessera
import Foundation

/// A thread that stands for a processor.
///
/// It is joined, rather than waited for by other means, so that nothing it has captured outlives
/// the machine: an address space that a thread lets go of late would be destroyed on the next one.
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
      body(number)
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
    guard status == 0 else { fatalError("no thread for processor \(number)") }
    self.thread = thread
  }

  /// Waits until the thread is over, and has let go of everything.
  func join() {
    guard pthread_join(thread, nil) == 0 else { fatalError("a thread cannot be joined") }
  }
}
