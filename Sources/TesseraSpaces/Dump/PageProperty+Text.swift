internal import TesseraHardware

extension PageProperty {
  /// Writes rights, user or kernel, global or shared by forks, and cache policy: "rw- k g wb".
  func write(to sink: inout some TextSink & ~Copyable) {
    sink.write(access.allowsRead ? "r" : "-")
    sink.write(access.allowsWrite ? "w" : "-")
    sink.write(access.allowsExecute ? "x" : "-")
    sink.write(isUser ? " u" : " k")
    sink.write(isGlobal ? " g " : isShared ? " s " : " - ")
    sink.write(cachePolicy.shortName)
  }
}

extension CachePolicy {
  /// The two letters that manuals use.
  var shortName: StaticString {
    switch self {
    case .writeBack: "wb"
    case .writeThrough: "wt"
    case .writeCombining: "wc"
    case .uncacheable: "uc"
    }
  }
}

extension PageSize {
  /// A number and a letter.
  var shortName: StaticString {
    switch self {
    case .fourKiB: "4K"
    case .twoMiB: "2M"
    case .oneGiB: "1G"
    }
  }
}
