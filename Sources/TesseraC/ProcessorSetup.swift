internal import TesseraHardware

/// What every processor needs before it uses Tessera's tables.
enum ProcessorSetup {
  /// All of it, on a further processor.
  static func run() {
    let features = ProcessorFeatures()
    prepare(features)
    finish(features)
  }

  /// What is needed before the root is loaded: entries that have the no-execute bit, and write
  /// protection for the kernel too.
  static func prepare(_ features: ProcessorFeatures) {
    // SAFETY: no page that is mapped has a reserved bit that these would free.
    unsafe Processor.enableNoExecute()
    // SAFETY: the kernel asked for it by starting.
    unsafe Processor.enableWriteProtection()
    // SAFETY: global pages outlive a load of CR3, which Tessera knows.
    if features.hasGlobalPages { unsafe Processor.enableGlobalPages() }
  }

  /// What is needed after: pages have the memory types that Tessera's numbers stand for.
  static func finish(_ features: ProcessorFeatures) {
    guard features.hasPageAttributeTable else { return }
    // SAFETY: the tables in use are Tessera's, or were translated for this table.
    unsafe CachePolicy.installAttributeTable()
  }
}
