/// Why a program has been left.
public enum UserEvent: Equatable {
  /// It calls the kernel, which finds the arguments in its registers.
  case systemCall
  /// It has caused a page fault at `address` (CR2), with the error code of the exception. If it
  /// runs again with the same registers, it tries the same access again.
  case pageFault(address: UInt64, errorCode: UInt64)
  /// It has caused another exception.
  case exception(vector: UInt64, errorCode: UInt64)
}
