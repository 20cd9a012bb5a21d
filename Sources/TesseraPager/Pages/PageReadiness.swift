/// Whether a page that is in memory can be used.
enum PageReadiness {
  case usable
  /// It can be once the transfer is finished that has begun.
  case beingRead
  /// It was read in vain. The next who wants it tries again.
  case unreadable
}
