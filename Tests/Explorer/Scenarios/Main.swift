import ExplorerRuntime
import Foundation

/// Explores one scenario, which the arguments name.
@main
enum Main {
  /// The scenario that is explored. Access: by one thread.
  nonisolated(unsafe) private static var world: World?

  static func main() {
    let entries = Scenario.all.map { $0.entry }
    exit(
      explorer_main(
        CommandLine.argc, CommandLine.unsafeArgv, entries, UInt32(entries.count)))
  }

  /// Makes the world of the scenario with a number.
  static func prepare(_ scenario: Scenario) {
    do {
      let world = try World(scenario)
      self.world = world
      explorer_before_each { Main.world!.restore() }
    } catch {
      fatalError("cannot prepare \(scenario.name): \(error)")
    }
  }

  static func run(_ processor: UInt32) { world!.scenario.body(world!, Int(processor)) }
  static func handleInterrupt() {
    explorer_answer()
    world!.scenario.whenInterrupted!(world!)
  }
  static func checkBetween(_ isCalm: Bool) -> UnsafePointer<CChar>? {
    world!.problemBetween(isCalm: isCalm)
  }
  static func digest() -> UInt64 { world!.digest }
  static func check() -> UnsafePointer<CChar>? { world!.problem() }
}

extension Scenario {
  /// The one that is explored, once its name is known.
  fileprivate var entry: explorer_scenario {
    explorer_scenario(
      name: Self.text(name), about: Self.text(about), processor_count: UInt32(processorCount),
      has_store_buffers: hasStoreBuffers, is_linear: isLinear,
      is_compared: isCompared, is_brief: isBrief, expected: expected.map { Self.text($0) },
      expected_with_buffers: nil,
      prepare: { Main.prepare(Scenario.named(String(cString: explorer_scenario_name()))) },
      body: { Main.run($0) }, check: { Main.check() },
      check_between: { Main.checkBetween($0) }, digest: { Main.digest() },
      handler: whenInterrupted == nil ? nil : { Main.handleInterrupt() })
  }

  private static func text(_ text: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
  }

  fileprivate static func named(_ name: String) -> Scenario {
    all.first { $0.name.description == name }!
  }
}
