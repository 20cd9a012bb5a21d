/// Where pages are when they are not in memory: three functions of the kernel's, which it calls a
/// file, a part of a disk, or memory elsewhere.
///
/// A transfer is of 4 KiB, from or to `offset`, in bytes, a multiple of 4096, and to or from the
/// memory at the physical address `memory`. The function returns an answer; see `Answer`. One that
/// is `later` ends with a call of `Pager.finish(_:succeeded:)` with the transfer's `token`, once,
/// on any processor, and in an interrupt handler if that is where the kernel learns of it.
///
/// They are called with no lock held and with interrupts and preemption as they were for who
/// uses the page, on any number of processors at once. They may wait. They must not use a page of
/// the same store, nor a space that is paged.
public struct PageStore: Sendable {
  public typealias Transfer =
    @convention(c) (
      _ context: UInt, _ offset: UInt64, _ memory: UInt64, _ token: UInt64
    ) -> Int32
  public typealias Release =
    @convention(c) (
      _ context: UInt, _ offset: UInt64, _ byteCount: UInt64
    ) -> Void

  /// What a transfer answers.
  public struct Answer {
    public static var done: Int32 { 0 }
    public static var later: Int32 { 1 }
    public static var failed: Int32 { -1 }
  }

  /// What the functions are called with.
  public let context: UInt
  public let read: Transfer
  public let write: Transfer
  /// Is told of bytes whose contents are not wanted any more. May be nil.
  public let release: Release?

  public init(
    context: UInt = 0, read: Transfer, write: Transfer, release: Release? = nil
  ) {
    self.context = context
    self.read = read
    self.write = write
    self.release = release
  }
}
