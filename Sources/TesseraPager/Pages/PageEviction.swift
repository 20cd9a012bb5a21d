/// What became of a page that was to be taken away.
enum PageEviction {
  /// Its frame is free, once the reclaimer has dropped its reference.
  case freed
  /// It is being written, and can be taken away after that.
  case beingWritten
  /// It stays: it is used by others, there is no room for it, or the store failed.
  case kept
}
